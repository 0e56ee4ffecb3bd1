import hashlib
import io
import tarfile
import zipfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from trainer.config import DataError
from trainer.sources import load


def stored(tmp_path, name: str, content: bytes):
    (tmp_path / name).write_bytes(content)
    return load(f"file://{tmp_path}/{name}", hashlib.sha256(content).hexdigest())


def npz(**arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def images() -> dict[str, bytes]:
    found = {}
    for label, colour in (("cat", (255, 0, 0)), ("dog", (0, 0, 255))):
        for number in range(2):
            buffer = io.BytesIO()
            Image.new("RGB", (4, 4), colour).save(buffer, "PNG")
            found[f"train/{label}/{number}.png"] = buffer.getvalue()
    return found


@pytest.mark.parametrize(
    ("name", "shape", "classes"),
    [
        ("digits", (1797, 1, 8, 8), 10),
        ("wine", (178, 13), 3),
        ("iris", (150, 4), 3),
        ("breast_cancer", (569, 30), 2),
    ],
)
def test_bundled_sets_are_real(name, shape, classes):
    table = load(f"bundled://{name}", "")
    assert table.features_ND.shape == shape
    assert len(set(table.labels_N)) == classes


def test_npz_holds_features_and_labels(tmp_path):
    table = stored(tmp_path, "x.npz", npz(features=np.ones((3, 2)), labels=np.array([0, 1, 0])))
    assert (table.features_ND.dtype, table.names) == (np.float32, ["feature_0", "feature_1"])


def test_parquet_labels_are_numbered(tmp_path):
    buffer = io.BytesIO()
    pd.DataFrame({"height": [1.0, 2.0, 3.0], "label": ["b", "a", "b"]}).to_parquet(buffer)
    table = stored(tmp_path, "x.parquet", buffer.getvalue())
    assert (table.labels_N.tolist(), table.names) == ([1, 0, 1], ["height"])


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_image_folders_name_the_classes(tmp_path, kind):
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w") as archive:
            for path, content in images().items():
                archive.writestr(path, content)
    else:
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for path, content in images().items():
                member = tarfile.TarInfo(path)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    table = stored(tmp_path, f"x.{kind}", buffer.getvalue())
    assert (table.features_ND.shape, table.labels_N.tolist()) == ((4, 3, 4, 4), [0, 0, 1, 1])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv", b"a,b", "unknown kind of data"),
        ("x.npz", b"not a zip", "must hold the arrays"),
        ("x.npz", npz(features=np.ones(3)), "must hold the arrays"),
        ("x.npz", npz(features=np.ones((3, 2)), labels=np.array([0, 1])), "labels .* must be N"),
    ],
)
def test_data_that_is_not_what_its_name_says_is_refused(tmp_path, name, content, message):
    with pytest.raises(DataError, match=message):
        stored(tmp_path, name, content)
