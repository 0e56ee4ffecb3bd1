"""What every source becomes, and the rules that all rows keep:
finite numbers, and labels that are classes."""

from dataclasses import dataclass

import numpy as np

from trainer.config import DataError

# A few KiB can unpack to any size. The data Job may hold 1 GiB in all,
# so what is larger could not be prepared.
EXPANDED_BYTES = 2**30
_NUMERIC = "fiub"  # kinds of numpy types


@dataclass(frozen=True)
class Table:
    """Rows in the order of the source. N rows; D features, or C channels of H x W pixels."""

    features_ND: np.ndarray
    labels_N: np.ndarray
    names: list[str]
    classes: tuple[str, ...] = ()
    """What label 0, 1, ... was called, for labels that were text."""


def check_features(where: str, features_ND: np.ndarray, names: list[str]) -> None:
    """Refuse rows that have no features, and values that are missing or infinite.

    Raises:
        DataError: names the column, the row counted from 1, and how many there are.
    """
    if not features_ND.size:
        raise DataError(f"{where}: holds no values, its features are {features_ND.shape}; add rows")
    if np.isfinite(features_ND).all():
        return
    for number, name in enumerate(names):
        column = features_ND[:, number]
        missing_N = _in_row(np.isnan(column))
        if missing_N.any():
            raise missing(where, f"column {name!r}", missing_N)
        infinite_N = _in_row(np.isinf(column))
        if infinite_N.any():
            row = int(infinite_N.argmax())
            raise DataError(
                f"{where}: column {name!r}, row {row + 1}: infinite, or beyond what float32 holds; "
                "correct it or scale the column"
            )


def missing(where: str, what: str, missing_N: np.ndarray) -> DataError:
    """The refusal of values that are not there: nothing is filled in silently."""
    count, first = int(missing_N.sum()), int(missing_N.argmax()) + 1
    return DataError(
        f"{where}: {what}: {count} of {len(missing_N)} values are missing, "
        f"the first in row {first}; "
        "fill them in, or leave the rows or the column out"
    )


def numbered_labels(where: str, labels: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Classes from 0 on, and their names where labels are text, which is numbered in sorted order.

    Raises:
        DataError: labels are missing, are no classes, or are numbers with gaps.
    """
    if not len(labels):
        raise DataError(f"{where}: holds no rows; add some")
    missing_N = _absent(labels)
    if missing_N.any():
        raise missing(where, "labels", missing_N)
    if labels.dtype.kind == "U" or _all_text(labels):
        names, codes_N = np.unique(labels.astype(str), return_inverse=True)
        _check_classes(where, names, len(labels))
        return codes_N.astype(np.int64), tuple(names.tolist())
    numbers_N = _whole_numbers(where, labels)
    distinct = np.unique(numbers_N)
    _check_classes(where, distinct, len(labels))
    if not np.array_equal(distinct, np.arange(len(distinct))):
        raise DataError(
            f"{where}: labels are numbers from {distinct[0]:g} to {distinct[-1]:g}, "
            f"{len(distinct)} distinct; "
            "number the classes from 0 without gaps, or write them as text"
        )
    return numbers_N.astype(np.int64), ()


def _whole_numbers(where: str, labels: np.ndarray) -> np.ndarray:
    if labels.dtype.kind not in _NUMERIC:
        for row, value in enumerate(labels.tolist()):
            if not isinstance(value, int | float):
                raise DataError(
                    f"{where}: label of row {row + 1}: {value!r} is neither text nor a number, "
                    "or text stands beside numbers; write all labels in one way"
                )
    numbers_N = labels.astype(np.float64)
    with np.errstate(invalid="ignore"):
        broken_N = numbers_N % 1 != 0
    if broken_N.any():
        row, distinct = int(broken_N.argmax()), len(np.unique(numbers_N))
        raise DataError(
            f"{where}: labels are not whole numbers (row {row + 1}: {numbers_N[row]:g}), "
            f"{distinct} distinct labels for {len(labels)} rows: this is regression, "
            "which is not there yet; make classes of them, such as ranges"
        )
    return numbers_N


def _check_classes(where: str, distinct: np.ndarray, rows: int) -> None:
    if len(distinct) == 1:
        raise DataError(
            f"{where}: every label is {_shown(distinct[0])}: there is nothing to tell apart; "
            "add rows of another class"
        )
    # A class has to have rows to learn it from and to measure it by: two on
    # average are less than anybody can use.
    if 2 * len(distinct) > rows:
        raise DataError(
            f"{where}: {len(distinct)} distinct labels for {rows} rows: this is regression, "
            "which is not there yet, or an identifier; make classes of them, such as ranges"
        )


def _absent(labels: np.ndarray) -> np.ndarray:
    if labels.dtype.kind not in "fO":
        return np.zeros(len(labels), bool)
    return np.array([value is None or value != value for value in labels.tolist()])


def _all_text(labels: np.ndarray) -> bool:
    return labels.dtype.kind == "O" and all(isinstance(value, str) for value in labels.tolist())


def _shown(label: np.generic) -> str:
    return repr(str(label)) if isinstance(label, np.str_) else f"{label:g}"


def _in_row(flags: np.ndarray) -> np.ndarray:
    """Whether a flag is set anywhere in each row, of a column or of the pixels of a channel."""
    counts_N: np.ndarray = np.count_nonzero(flags.reshape(len(flags), -1), axis=1)
    return counts_N > 0
