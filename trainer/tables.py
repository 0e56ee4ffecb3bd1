"""Tables with named columns, one of them `label`: .csv and .parquet, read by pandas."""

import io
import warnings
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from trainer.config import DataError
from trainer.rows import EXPANDED_BYTES, Table, check_features, missing, numbered_labels

if TYPE_CHECKING:
    import pandas as pd

LABEL = "label"


def read_csv(uri: str, content: bytes) -> Table:
    """Comma-separated text in UTF-8 whose first line names the columns.

    Raises:
        DataError: it is not, or a value is not a number.
    """
    import pandas as pd

    try:
        with warnings.catch_warnings():
            # A line that is longer than the header is only warned of, and its end dropped.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                io.BytesIO(content), encoding="utf-8-sig", index_col=False, low_memory=False
            )
            first = content.decode("utf-8-sig").splitlines()[0]
    except (ValueError, pd.errors.ParserWarning) as error:
        raise DataError(
            f"{uri}: cannot be read as comma-separated UTF-8 with a line of column names: {error}; "
            "write it again"
        ) from error
    header = pd.read_csv(io.StringIO(first), header=None, dtype=str).iloc[0]
    if header.isna().any():
        raise DataError(
            f"{uri}: column {int(header.isna().argmax()) + 1} has no name; "
            "name it, or write the file without an index"
        )
    return _table(uri, frame.set_axis([str(name).strip() for name in header], axis=1))


def read_parquet(uri: str, content: bytes) -> Table:
    """A parquet file.

    Raises:
        DataError: it is none, or a value is not a number.
    """
    import pandas as pd
    from pyarrow import ArrowException
    from pyarrow.parquet import read_metadata

    try:
        size = read_metadata(io.BytesIO(content))
        if 4 * size.num_rows * size.num_columns > EXPANDED_BYTES:
            raise DataError(
                f"{uri}: {size.num_rows} rows of {size.num_columns} columns expand to more than "
                f"{EXPANDED_BYTES // 2**20} MiB; use fewer rows"
            )
        frame = pd.read_parquet(io.BytesIO(content))
    except (ArrowException, OSError, ValueError) as error:
        raise DataError(f"{uri}: is no whole parquet file: {error}; write it again") from error
    return _table(uri, frame)


def _table(uri: str, frame: "pd.DataFrame") -> Table:
    names = [str(name) for name in frame.columns]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise DataError(f"{uri}: column {twice[0]!r} is there twice; rename one")
    if LABEL not in names:
        raise DataError(
            f"{uri}: must have a column {LABEL!r}, it has {', '.join(names[:8])}; "
            "rename one to it, and separate columns by commas"
        )
    features = [name for name in names if name != LABEL]
    if not features or not len(frame):
        raise DataError(f"{uri}: {len(frame)} rows of {len(features)} features; add some")
    columns = [_numbers(uri, name, frame.iloc[:, names.index(name)]) for name in features]
    features_ND = np.stack(columns, axis=1)
    check_features(uri, features_ND, features)
    labels, classes = numbered_labels(uri, _labels(frame.iloc[:, names.index(LABEL)]))
    return Table(features_ND, labels, features, classes)


def _labels(column: "pd.Series") -> np.ndarray:
    """Labels as numbers, or as Python's own text and numbers with None where there is none."""
    if column.dtype.kind not in "fiub" or column.isna().any():
        column = column.astype(object).where(column.notna(), None)
    labels: np.ndarray = column.to_numpy()
    return labels


def _numbers(uri: str, name: str, column: "pd.Series") -> np.ndarray:
    """A column as float32; text is read as a number where it is one."""
    missing_N = column.isna().to_numpy()
    if missing_N.any():
        raise missing(uri, f"column {name!r}", missing_N)
    if column.dtype.kind in "fiub":
        with np.errstate(over="ignore"):  # becomes infinite, and is refused so
            converted: np.ndarray = column.to_numpy(np.float32)
        return converted
    numbers = []
    for row, value in enumerate(column.astype(object)):
        number = _number(value)
        if number is None:
            raise DataError(
                f"{uri}: column {name!r}, row {row + 1}: {str(value)!r} is not a number; "
                "encode the column as numbers, or leave it out"
            )
        numbers.append(number)
    return np.array(numbers, np.float32)


def _number(value: object) -> float | None:
    if not isinstance(value, str | int | float | Decimal):
        return None
    try:
        return float(value)
    except ValueError:
        return None
