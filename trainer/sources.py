"""Source data of every supported kind, as rows of features and a label."""

import io
import tarfile
import zipfile
from dataclasses import dataclass

import numpy as np

from trainer.config import DataError
from trainer.store import fetch

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")


@dataclass(frozen=True)
class Table:
    """Rows in the order of the source. N rows; D features, or C channels of H x W pixels."""

    features_ND: np.ndarray
    labels_N: np.ndarray
    names: list[str]


def load(uri: str, sha256: str) -> Table:
    """The source at an address: bundled://, .npz, .parquet, or an archive of image folders (.tar, .tar.gz, .zip).

    Raises:
        DataError: it is not there, has another digest, or is not what its name says.
    """
    scheme, _, rest = uri.partition("://")
    if scheme == "bundled":
        return _bundled(rest)
    content = fetch(uri, sha256)
    name = rest.rsplit("/", 1)[-1].lower()
    if name.endswith(".npz"):
        return _npz(uri, content)
    if name.endswith(".parquet"):
        return _parquet(uri, content)
    if name.endswith((".tar", ".tar.gz", ".tgz", ".zip")):
        return _image_folders(uri, name, content)
    raise DataError(
        f"{uri}: unknown kind of data; use .npz, .parquet, or image folders in .tar, .tar.gz or .zip"
    )


def _bundled(name: str) -> Table:
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")()
    features = bunch.data.astype(np.float32)
    if name == "digits":
        features = features.reshape(-1, 1, 8, 8)
    return Table(features, bunch.target.astype(np.int64), [str(n) for n in bunch.feature_names])


def _npz(uri: str, content: bytes) -> Table:
    try:
        arrays = np.load(io.BytesIO(content), allow_pickle=False)
        features, labels = arrays["features"], arrays["labels"]
    except (ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{uri}: must hold the arrays 'features' and 'labels': {error}") from error
    return _numbered(uri, features.astype(np.float32), labels.astype(np.int64))


def _parquet(uri: str, content: bytes) -> Table:
    import pandas as pd

    frame = pd.read_parquet(io.BytesIO(content))
    if "label" not in frame.columns:
        raise DataError(
            f"{uri}: must have a column 'label'; it has {', '.join(map(str, frame.columns[:8]))}"
        )
    columns = [name for name in frame.columns if name != "label"]
    labels = frame["label"].astype("category").cat.codes.to_numpy(np.int64)
    return Table(frame[columns].to_numpy(np.float32), labels, [str(name) for name in columns])


def _image_folders(uri: str, name: str, content: bytes) -> Table:
    from PIL import Image

    images, labels = [], []
    for path, raw in sorted(_members(name, content)):
        if path.lower().endswith(IMAGE_SUFFIXES) and "/" in path:
            images.append(
                np.asarray(Image.open(io.BytesIO(raw)).convert("RGB"), np.float32).transpose(
                    2, 0, 1
                )
            )
            labels.append(path.split("/")[-2])
    if not images:
        raise DataError(f"{uri}: holds no <class>/<image> files")
    if len({image.shape for image in images}) > 1:
        raise DataError(f"{uri}: images differ in size; bring them to one size first")
    classes = {label: number for number, label in enumerate(sorted(set(labels)))}
    return Table(
        np.stack(images),
        np.array([classes[label] for label in labels], np.int64),
        ["red", "green", "blue"],
    )


def _members(name: str, content: bytes) -> list[tuple[str, bytes]]:
    if name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return [(n, archive.read(n)) for n in archive.namelist() if not n.endswith("/")]
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return [
            (m.name, source.read())
            for m in archive.getmembers()
            if m.isfile() and (source := archive.extractfile(m))
        ]


def _numbered(uri: str, features: np.ndarray, labels: np.ndarray) -> Table:
    if features.ndim not in (2, 4) or labels.shape != features.shape[:1]:
        raise DataError(
            f"{uri}: features {features.shape} must be N x D or N x C x H x W, labels {labels.shape} must be N"
        )
    return Table(features, labels, [f"feature_{n}" for n in range(features.shape[1])])
