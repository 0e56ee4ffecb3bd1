"""Source data of every supported kind, as rows of features and a label.
docs/tasks/bring-your-data.md has the rules."""

import io
import zipfile
import zlib
from collections.abc import Callable

import numpy as np

from trainer.config import DataError
from trainer.images import read_images
from trainer.rows import EXPANDED_BYTES, Table, check_features, numbered_labels
from trainer.store import fetch
from trainer.tables import read_csv, read_parquet

BUNDLED = ("breast_cancer", "digits", "iris", "wine")


def load(uri: str, sha256: str) -> Table:
    """The source at an address: bundled://, .npz, .csv, .parquet, or image
    folders in an archive (.tar, .tar.gz, .zip).

    Raises:
        DataError: it is not there, has another digest, or breaks a rule of the page above.
    """
    scheme, _, rest = uri.partition("://")
    if scheme == "bundled":
        return _bundled(uri, rest)
    name = rest.rsplit("/", 1)[-1].lower()
    for endings, read in _READERS.items():
        if name.endswith(endings):
            return read(uri, fetch(uri, sha256))
    raise DataError(
        f"{uri}: unknown kind of data; use .npz, .csv, .parquet, "
        "or image folders in .tar, .tar.gz or .zip"
    )


def _bundled(uri: str, name: str) -> Table:
    from sklearn import datasets

    if name not in BUNDLED:
        raise DataError(f"{uri}: there is no such bundled set; there are {', '.join(BUNDLED)}")
    bunch = getattr(datasets, f"load_{name}")()
    features = bunch.data.astype(np.float32)
    if name == "digits":
        features = features.reshape(-1, 1, 8, 8)
    return Table(features, bunch.target.astype(np.int64), [str(n) for n in bunch.feature_names])


def _npz(uri: str, content: bytes) -> Table:
    features, labels = _arrays(uri, content)
    if features.ndim not in (2, 4) or labels.shape != features.shape[:1]:
        raise DataError(
            f"{uri}: features {features.shape} must be N x D or N x C x H x W, "
            f"labels {labels.shape} must be N; reshape them"
        )
    if features.dtype.kind not in "fiub":
        raise DataError(f"{uri}: features are {features.dtype}, not numbers; write them as float32")
    names = [f"feature_{n}" for n in range(features.shape[1])]
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused so
        numbers = features.astype(np.float32)
    check_features(uri, numbers, names)
    labels_N, classes = numbered_labels(uri, labels)
    return Table(numbers, labels_N, names, classes)


def _arrays(uri: str, content: bytes) -> tuple[np.ndarray, np.ndarray]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            expanded = sum(member.file_size for member in archive.infolist())
        if expanded > EXPANDED_BYTES:
            raise DataError(
                f"{uri}: expands to {expanded // 2**20} MiB, "
                f"at most {EXPANDED_BYTES // 2**20} MiB are read; use fewer rows"
            )
        arrays = np.load(io.BytesIO(content), allow_pickle=False)
        return arrays["features"], arrays["labels"]
    except KeyError as error:
        raise DataError(
            f"{uri}: must hold the arrays 'features' and 'labels': {error}; name them so"
        ) from error
    except ValueError as error:
        raise DataError(
            f"{uri}: must hold arrays of numbers, and text as labels at most: {error}; "
            "write no objects"
        ) from error
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError) as error:
        raise DataError(f"{uri}: is no whole .npz: {error}; write it again") from error


_READERS: dict[tuple[str, ...], Callable[[str, bytes], Table]] = {
    (".npz",): _npz,
    (".csv",): read_csv,
    (".parquet",): read_parquet,
    (".tar", ".tar.gz", ".tgz", ".zip"): read_images,
}
