"""Whether one share is certainly above another: Fisher's exact test, one-sided."""

from math import ceil, exp, lgamma


def chance(bad: int, of: int, *, allowed: float, known_from: int) -> float:
    """How likely at least `bad` of `of` requests are bad by chance, if no more are than `allowed`.

    The allowed share is itself only known from `known_from` requests of another predictor. Given
    how many are bad in all, each way to deal them out to both predictors is equally likely (the
    hypergeometric distribution); this is the probability of those that deal at least `bad` to the
    one in question. It holds for any number of requests, without a guess about how errors or
    latencies are distributed. 1.0 where nothing is known of the other.
    """
    if not of or not known_from:
        return 1.0
    # Less a little: a rate plus a margin, times a number, is not exact.
    others = min(known_from, ceil(allowed * known_from - 1e-9))
    everything, all_bad = of + known_from, bad + others
    tail = 0.0
    ways = _ways(everything, of)
    for count in range(bad, min(of, all_bad) + 1):
        # Logarithms: the numbers of ways themselves have thousands of digits.
        log = _ways(all_bad, count) + _ways(everything - all_bad, of - count) - ways
        tail += exp(log)
        if log < -60:  # what follows is smaller still
            break
    return min(tail, 1.0)


def _ways(of: int, chosen: int) -> float:
    """Logarithm of the number of ways to choose."""
    if not 0 <= chosen <= of:
        return float("-inf")
    return lgamma(of + 1) - lgamma(chosen + 1) - lgamma(of - chosen + 1)
