"""Every kind of data as it is read, and every kind of bad data with its message."""

import hashlib
import io
import pickle
import re
import tarfile
import zipfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.conftest import REPOSITORY
from trainer.config import DataError
from trainer.sources import BUNDLED, load

CLASSES = ["cat", "cat", "dog", "dog"]


def stored(tmp_path, name: str, content: bytes):
    (tmp_path / name).write_bytes(content)
    return load(f"file://{tmp_path}/{name}", hashlib.sha256(content).hexdigest())


def npz(features=None, labels=(0, 1, 0, 1), **more) -> bytes:
    buffer = io.BytesIO()
    features = np.ones((4, 2)) if features is None else features
    np.savez(buffer, features=np.asarray(features), labels=np.asarray(labels), **more)
    return buffer.getvalue()


def parquet(**columns) -> bytes:
    buffer = io.BytesIO()
    pd.DataFrame(columns).to_parquet(buffer)
    return buffer.getvalue()


def csv(*rows: str, header: str = "age,city,label") -> bytes:
    return "\n".join([header, *rows, ""]).encode()


def png(width: int = 4, height: int = 4, colour=(255, 0, 0)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, "PNG")
    return buffer.getvalue()


def images(**changed: bytes) -> dict[str, bytes]:
    found = {f"train/{label}/{n}.png": png() for label in ("cat", "dog") for n in range(2)}
    return found | {path.replace("_", "/") + ".png": raw for path, raw in changed.items()}


def archive(members: dict[str, bytes], kind: str = "zip") -> bytes:
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
            for path, content in members.items():
                made.writestr(path, content)
        return buffer.getvalue()
    with tarfile.open(fileobj=buffer, mode=f"w:{kind}") as made:
        for path, content in members.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def bomb(mebibytes: int, name: str) -> bytes:
    """An archive of a few MiB whose one member unpacks to that much."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made, made.open(name, "w") as sink:
        for _ in range(mebibytes):
            sink.write(bytes(2**20))
    return buffer.getvalue()


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
    table = stored(tmp_path, "x.npz", npz())
    assert (table.features_ND.dtype, table.names) == (np.float32, ["feature_0", "feature_1"])


@pytest.mark.parametrize("dtype", [np.int8, np.uint64, np.float32, bool])
def test_labels_of_every_numeric_type_are_classes(tmp_path, dtype):
    table = stored(tmp_path, "x.npz", npz(labels=np.array([0, 1, 0, 1], dtype)))
    assert (table.labels_N.dtype, table.labels_N.tolist()) == (np.int64, [0, 1, 0, 1])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.parquet", parquet(height=[1.0, 2, 3, 4], label=CLASSES)),
        ("x.csv", csv("1,cat", "2,cat", "3,dog", "4,dog", header="height,label")),
        ("X.CSV", b"\xef\xbb\xbfheight,label\r\n1,cat\r\n2,cat\r\n3,dog\r\n4,dog\r\n"),
        ("x.npz", npz(np.array([[1], [2], [3], [4]]), CLASSES)),
    ],
)
def test_text_labels_are_numbered_in_sorted_order(tmp_path, name, content):
    table = stored(tmp_path, name, content)
    assert table.features_ND.tolist() == [[1], [2], [3], [4]]
    assert (table.labels_N.tolist(), table.classes) == ([0, 0, 1, 1], ("cat", "dog"))


def test_same_rows_are_the_same_table_in_every_format(tmp_path):
    frame = pd.DataFrame({"a": [1, 2, 3, 4], "b": [0.5, 1e-3, -7, 2], "label": [0, 1, 0, 1]})
    first = stored(tmp_path, "x.csv", frame.to_csv(index=False).encode())
    second = stored(tmp_path, "x.parquet", parquet(**frame))
    assert np.array_equal(first.features_ND, second.features_ND)
    assert (first.names, first.labels_N.tolist()) == (second.names, second.labels_N.tolist())


@pytest.mark.parametrize("kind", ["gz", "", "zip"])
def test_image_folders_name_the_classes(tmp_path, kind):
    name = {"gz": "x.tar.gz", "": "x.tar", "zip": "x.zip"}[kind]
    table = stored(tmp_path, name, archive(images(), kind))
    assert (table.features_ND.shape, table.labels_N.tolist()) == ((4, 3, 4, 4), [0, 0, 1, 1])
    assert table.features_ND[0, :, 0, 0].tolist() == [255, 0, 0]


def test_what_systems_leave_beside_images_is_no_image(tmp_path):
    litter = {"__MACOSX/train/cat/._0.png": b"x", "train/cat/.1.png": b"x", "train/readme": b"x"}
    assert len(stored(tmp_path, "x.zip", archive(images() | litter)).labels_N) == 4


# ---- bad data: name of the file, its bytes, the message after the address -------------------------------------------

REGRESSION = "this is regression, which is not there yet"
ALL_DIFFERENT = np.arange(2000)
BAD: dict[str, tuple[str, bytes, str]] = {
    "another kind": ("x.xlsx", b"PK", "unknown kind of data; use .npz, .csv, .parquet, or"),
    # labels
    "labels with fractions": (
        "x.npz",
        npz(np.ones((2000, 1)), np.linspace(0, 1, 2000)),
        f"labels are not whole numbers (row 2: 0.00050025), 2000 distinct labels for 2000 rows: {REGRESSION}; make classes of them, such as ranges",
    ),
    "a class for each row": (
        "x.npz",
        npz(np.ones((2000, 1)), ALL_DIFFERENT),
        f"2000 distinct labels for 2000 rows: {REGRESSION}, or an identifier; make classes",
    ),
    "fractions in a csv": ("x.csv", csv("1,1,0.5", "2,1,0.75"), "labels are not whole numbers (row 1: 0.5), 2 distinct labels for 2 rows"),
    "fractions in a parquet": ("x.parquet", parquet(a=[1, 2], label=[0.5, 0.75]), "labels are not whole numbers (row 1: 0.5)"),
    "identifiers as labels": ("x.csv", csv("1,1,u1", "2,1,u2", "3,1,u3"), "3 distinct labels for 3 rows"),
    "labels from 1": ("x.npz", npz(labels=[1, 2, 1, 2]), "labels are numbers from 1 to 2, 2 distinct; number the classes from 0 without gaps, or write them as text"),
    "labels with a gap": ("x.npz", npz(labels=[0, 2, 0, 2]), "labels are numbers from 0 to 2, 2 distinct;"),
    "negative labels": ("x.csv", csv("1,1,-1", "2,1,1", "3,1,-1", "4,1,1"), "labels are numbers from -1 to 1, 2 distinct;"),
    "huge labels": ("x.npz", npz(labels=np.array([0, 2**63, 0, 2**63], np.uint64)), "labels are numbers from 0 to 9.22337e+18"),
    "infinite labels": ("x.npz", npz(labels=[0, np.inf, 0, 1]), "labels are not whole numbers (row 2: inf)"),
    "one class": ("x.npz", npz(labels=[0, 0, 0, 0]), "every label is 0: there is nothing to tell apart; add rows of another class"),
    "one folder": ("x.zip", archive({"a/cat/1.png": png(), "a/cat/2.png": png()}), "every label is 'cat'"),
    "missing labels": ("x.csv", csv("1,1,a", "2,1,", "3,1,b", "4,1,"), "labels: 2 of 4 values are missing, the first in row 2; fill them in"),
    "missing labels in an npz": ("x.npz", npz(labels=[0, np.nan, 1, 0]), "labels: 1 of 4 values are missing, the first in row 2"),
    "text beside numbers": ("x.csv", csv("1,1,a", "2,1,b", "3,1,a", "4,1,b", header="x,y,z"), "must have a column 'label', it has x, y, z; rename one to it"),
    "dates as labels": ("x.parquet", parquet(a=[1, 2], label=pd.to_datetime(["2020", "2021"])), "label of row 1: Timestamp('2020-01-01 00:00:00') is neither text nor a number"),
    "two labels a row": ("x.npz", npz(labels=np.zeros((4, 2))), "labels (4, 2) must be N; reshape them"),
    # values
    "text in a column": (
        "x.csv",
        csv("1,8000,a", "2,Zürich,b", "3,8001,a", "4,8002,b"),
        "column 'city', row 2: 'Zürich' is not a number; encode the column as numbers, or leave it out",
    ),
    "text in a parquet": ("x.parquet", parquet(city=["Zürich"] * 4, label=[0, 1, 0, 1]), "column 'city', row 1: 'Zürich' is not a number"),
    "text in an npz": ("x.npz", npz(np.array([["Zürich"]] * 4)), "features are <U6, not numbers; write them as float32"),
    "lists in a column": ("x.parquet", parquet(a=[[1], [2]], label=[0, 1]), "column 'a', row 1: '[1]' is not a number"),
    "dates in a column": ("x.parquet", parquet(a=pd.to_datetime(["2020"] * 4), label=[0, 1, 0, 1]), "column 'a', row 1: '2020-01-01 00:00:00' is not a number"),
    "missing values": ("x.csv", csv("1,1,a", ",1,b", ",1,a", "2,1,b"), "column 'age': 2 of 4 values are missing, the first in row 2; fill them in, or leave the rows or the column out"),
    "a column without a value": ("x.csv", csv("1,,a", "2,,b", "3,,a", "4,,b"), "column 'city': 4 of 4 values are missing, the first in row 1"),
    "missing values in an npz": ("x.npz", npz(np.array([[1, 1], [1, np.nan], [1, 1], [1, 1]])), "column 'feature_1': 1 of 4 values are missing, the first in row 2"),
    "missing pixels": ("x.npz", npz(np.full((4, 1, 2, 2), np.nan)), "column 'feature_0': 4 of 4 values are missing"),
    "infinite values": ("x.csv", csv("1,1,a", "2,inf,b", "3,1,a", "4,1,b"), "column 'city', row 2: infinite, or beyond what float32 holds; correct it or scale the column"),
    "beyond float32": ("x.npz", npz(np.array([[1.0], [1e300], [1], [1]])), "column 'feature_0', row 2: infinite, or beyond"),
    "complex numbers": ("x.npz", npz(np.ones((4, 1), complex)), "features are complex128, not numbers"),
    # shapes
    "one dimension": ("x.npz", npz(np.ones(4)), "features (4,) must be N x D or N x C x H x W"),
    "three dimensions": ("x.npz", npz(np.ones((4, 2, 2))), "features (4, 2, 2) must be N x D"),
    "another number of labels": ("x.npz", npz(labels=[0, 1]), "labels (2,) must be N"),
    "no rows": ("x.npz", npz(np.ones((0, 2)), []), "holds no values, its features are (0, 2); add rows"),
    "no features": ("x.csv", csv("0", "1", header="label"), "2 rows of 0 features; add some"),
    "only a header": ("x.csv", csv(), "0 rows of 2 features; add some"),
    # files
    "no zip": ("x.npz", b"not a zip", "is no whole .npz: File is not a zip file; write it again"),
    "half an npz": ("x.npz", npz()[:-30], "is no whole .npz:"),
    "an npy": ("x.npz", b"\x93NUMPY", "is no whole .npz:"),
    "no labels": ("x.npz", archive({"features.npy": npz()}), "must hold"),
    "objects": ("x.npz", npz(labels=np.array([{}, {}, {}, {}], object)), "must hold arrays of numbers, and text as labels at most: Object arrays cannot be loaded when allow_pickle=False; write no objects"),
    "a pickle": ("x.npz", pickle.dumps({"features": 1}), "is no whole .npz:"),
    "a bomb": ("x.npz", bomb(1025, "features.npy"), "expands to 1025 MiB, at most 1024 MiB are read; use fewer rows"),
    "no parquet": ("x.parquet", b"PAR1", "is no whole parquet file:"),
    "half a parquet": ("x.parquet", parquet(a=[1, 2], label=[0, 1])[:-9], "is no whole parquet file:"),
    "an empty csv": ("x.csv", b"", "cannot be read as comma-separated UTF-8 with a line of column names: No columns"),
    "another encoding": ("x.csv", "a,label\nZürich,1\n".encode("latin-1"), "cannot be read as comma-separated UTF-8"),
    "another separator": ("x.csv", b"a;label\n1;0\n2;1\n", "must have a column 'label', it has a;label; rename one"),
    "a line too long": ("x.csv", csv("1,1,a,9", "2,1,b,9"), "cannot be read as comma-separated UTF-8"),
    "a later line too long": ("x.csv", csv("1,1,a", "2,1,b,9"), "Expected 3 fields in line 3, saw 4"),
    "an index": ("x.csv", csv("0,1,1,a", "1,2,1,b", header=",age,city,label"), "column 1 has no name; name it, or write the file without an index"),
    "a name twice": ("x.csv", csv("1,1,a", "2,1,b", header="age,age,label"), "column 'age' is there twice; rename one"),
    # images
    "sizes that differ": ("x.zip", archive(images(train_dog_1=png(5, 4))), "images differ in size: train/cat/0.png is 4 x 4, train/dog/1.png is 5 x 4; bring all to one size"),
    "a broken image": ("x.zip", archive(images(train_dog_1=png()[:-20])), "train/dog/1.png cannot be read as an image:"),
    "no image": ("x.tar", archive(images(train_dog_1=b"GIF"), ""), "train/dog/1.png is no image; replace it or leave it out"),
    "a large image": ("x.zip", archive(images(train_cat_0=png(5000, 4000))), "train/cat/0.png is 5000 x 4000 pixels, at most 16777216 in all; scale it down"),
    "no folders": ("x.zip", archive({"1.png": png()}), "holds no <class>/<image> files ending in .png"),
    "half a zip": ("x.zip", archive(images())[:-30], "is no whole archive:"),
    "half a tar": ("x.tar.gz", archive(images(), "gz")[:-30], "is no whole archive:"),
    "no tar": ("x.tar", b"x" * 600, "is no whole archive:"),
    "a bomb of images": ("x.zip", bomb(1025, "train/cat/0.png"), "expands to more than 1024 MiB; use fewer images"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_data_is_refused_with_its_message(tmp_path, case):
    name, content, message = BAD[case]
    with pytest.raises(DataError) as refused:
        stored(tmp_path, name, content)
    assert f"file://{tmp_path}/{name}: " in str(refused.value)
    assert message in str(refused.value)
    assert "; " in str(refused.value)


def test_bundled_sets_are_those_that_the_page_names():
    page = (REPOSITORY / "docs/tasks/bring-your-data.md").read_text()
    assert [name for name in BUNDLED if f"`{name}`" not in page] == []
    with pytest.raises(DataError, match="no such bundled set; there are breast_cancer"):
        load("bundled://diabetes", "")


def test_messages_on_the_page_are_those_that_are_printed(tmp_path):
    page = (REPOSITORY / "docs/tasks/bring-your-data.md").read_text()
    shown = dict(re.findall(r"^\| ([a-z0-9 ]+) \| `(<uri>.*)` \|$", page, re.MULTILINE))
    assert len(shown) == 18
    for case, message in shown.items():
        name, content, _ = BAD[case]
        with pytest.raises(DataError) as refused:
            stored(tmp_path, name, content)
        assert str(refused.value).replace(f"file://{tmp_path}/{name}", "<uri>") == message
