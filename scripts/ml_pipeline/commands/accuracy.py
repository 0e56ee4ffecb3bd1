"""How good estimates have been, as people and programs read it."""

from ml_pipeline.commands import console
from ml_pipeline.operations.cost import Accuracy, PastEstimate
from ml_pipeline.rules.money.estimates import ENOUGH
from ml_pipeline.rules.money.prices import duration

_HEAD = ("run", "from", "p50", "p90", "took", "error")
_SHARE = 4.0  # beyond five times what it took, percent are hard to read


def text(accuracy: Accuracy) -> str:
    """A table of runs, where there are any, and the summary."""
    if not accuracy.estimates:
        return _summary(accuracy)
    rows = [_row(past) for past in accuracy.estimates]
    return "\n".join([console.table([_HEAD, *rows]), "", _summary(accuracy)])


def as_data(accuracy: Accuracy) -> dict[str, object]:
    """The same, for --output json."""
    runs = [_past(past) for past in accuracy.estimates]
    return {"runs": runs, "summary": _summary(accuracy)}


def _summary(accuracy: Accuracy) -> str:
    count, informed = len(accuracy.estimates), len(accuracy.informed)
    runs = "1 run" if count == 1 else f"{count} runs"
    summary = f"{runs} had an estimate, {informed} from {ENOUGH} like runs or more"
    if not informed:
        return summary
    error = f"the median error is {accuracy.median_error:.0%}"
    return f"{summary}: of these {error}, and {accuracy.within_p90:.0%} took no longer than p90"


def _row(past: PastEstimate) -> tuple[str, ...]:
    return (
        past.run,
        str(past.runs),
        duration(past.p50_s),
        duration(past.p90_s),
        duration(past.actual_s),
        _error(past),
    )


def _error(past: PastEstimate) -> str:
    """How far an estimate was off: a share where that says something, else how many times."""
    if not past.runs:
        return "only a budget was known"
    if past.error <= _SHARE:
        return f"{past.error:+.0%}"
    return f"{past.error + 1:.0f} times as long"


def _past(past: PastEstimate) -> dict[str, object]:
    return {
        "run": past.run,
        "from": past.runs,
        "p50_s": past.p50_s,
        "p90_s": past.p90_s,
        "actual_s": past.actual_s,
        "estimate": past.p50,
        "actual": past.actual,
        "error": past.error,
    }
