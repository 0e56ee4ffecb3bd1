"""Whether a request is one that the model takes: pure, so
that it can be tested without MLServer."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Tensor:
    """A tensor of the v2 protocol. -1 in a shape that is taken stands
    for any length; a name may be left open."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        """As it is told to callers."""
        named = f"{self.name}: " if self.name else ""
        return f"{named}{self.datatype} {list(self.shape)}"


def described(taken: Sequence[Tensor]) -> str:
    """What a model takes, in words."""
    return f"the model takes {', '.join(str(tensor) for tensor in taken)}"


def fault(sent: Sequence[Tensor], taken: Sequence[Tensor]) -> str:
    """What is wrong with a request, in one line that says
    what the model takes; empty where it fits."""
    found = _count_fault(sent, taken) or next(
        (text for tensor in sent if (text := _tensor_fault(tensor, taken))), ""
    )
    return f"{found}; {described(taken)}" if found else ""


def _count_fault(sent: Sequence[Tensor], taken: Sequence[Tensor]) -> str:
    if len(sent) != len(taken):
        return f"the request has {len(sent)} inputs instead of {len(taken)}"
    names = [tensor.name for tensor in sent]
    twice = next((name for name in names if names.count(name) > 1), "")
    return f"input {twice!r} stands twice" if twice else ""


def _tensor_fault(tensor: Tensor, taken: Sequence[Tensor]) -> str:
    fitting = [other for other in taken if other.name in ("", tensor.name)]
    if not fitting:
        return f"input {tensor.name!r} is unknown"
    if tensor.datatype != fitting[0].datatype:
        return f"input {tensor.name!r} has the datatype {tensor.datatype}"
    if not _fits(tensor.shape, fitting[0].shape):
        return f"input {tensor.name!r} has the shape {list(tensor.shape)}"
    return ""


def _fits(shape: tuple[int, ...], taken: tuple[int, ...]) -> bool:
    return len(shape) == len(taken) and all(
        length == wanted or (wanted == -1 and length > 0)
        for length, wanted in zip(shape, taken, strict=True)
    )
