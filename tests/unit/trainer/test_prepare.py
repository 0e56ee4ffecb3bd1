import hashlib

import numpy as np
import pytest

from trainer.config import ConfigError, DataError, parse
from trainer.prepare import PREPARATIONS, describe, pack, prepare, unpack
from trainer.rows import Table
from trainer.sources import load
from trainer.store import put


def test_same_rows_give_the_same_bytes():
    assert pack(load("bundled://iris", ""), 0.2) == pack(load("bundled://iris", ""), 0.2)


def test_rows_are_split_and_none_is_lost(tmp_path):
    content = pack(load("bundled://digits", ""), 0.2)
    put(f"file://{tmp_path}/x.npz", content)
    data = unpack(f"file://{tmp_path}/x.npz", hashlib.sha256(content).hexdigest())
    assert (len(data.train_ND), len(data.holdout_MD), data.classes) == (1438, 359, 10)
    both = np.concatenate([data.train_ND, data.holdout_MD])
    assert sorted(map(bytes, both)) == sorted(map(bytes, load("bundled://digits", "").features_ND))


def test_statistics_are_those_of_the_columns():
    found = {
        column["name"]: column for column in describe(load("bundled://iris", ""), 0.2)["columns"]
    }
    assert len(found) == 5
    assert found["sepal length (cm)"]["mean"] == pytest.approx(5.843333, abs=1e-5)
    assert found["label"]["max"] == 2


def test_statistics_of_large_values_are_finite():
    table = Table(np.full((4, 1), 3e38, np.float32), np.array([0, 1, 0, 1]), ["x"])
    column = describe(table, 0.5)["columns"][0]
    assert (column["name"], column["dtype"]) == ("x", "float32")
    assert column["min"] == column["mean"] == pytest.approx(3e38)


def test_images_have_statistics_by_channel():
    table = Table(
        np.zeros((4, 3, 16, 16), np.float32), np.array([0, 1, 0, 1]), ["red", "green", "blue"]
    )
    assert [column["name"] for column in describe(table, 0.5)["columns"]] == [
        "red",
        "green",
        "blue",
        "label",
    ]


def test_too_few_rows_to_split_are_refused():
    with pytest.raises(DataError, match="cannot be split"):
        pack(Table(np.ones((1, 2), np.float32), np.array([0]), ["a", "b"]), 0.2)


# What the first version of preparing makes of the bundled sets. A change of these bytes is another version: leave what is
# here, add one to PREPARATIONS, and have whoever wants it write `dataset.preparation`.
MADE = {
    1: {
        "digits": "42bcd244a6b73e698f12fd0a64c221212e440488ea9b75961e9933f53f445c8f",
        "wine": "b7c4be7c843501438b9a74a553b20a15da4a95c5906c50c6b61f5b9b39aa464d",
        "iris": "bff932b3f533c01f061def7fac095b49e2fa743f8db491ee6d3b07d4fb8dd30c",
        "breast_cancer": "92fd38efe8b83a80dd8aca930ae12cc70bd297340789dae54335d8eb5c6069b4",
    },
}


def test_what_preparing_makes_is_frozen():
    assert tuple(MADE) == PREPARATIONS
    made = {
        name: hashlib.sha256(pack(load(f"bundled://{name}", ""), 0.2)).hexdigest()
        for name in MADE[1]
    }
    assert made == MADE[PREPARATIONS[-1]]


def test_version_of_preparing_that_is_not_known_is_refused():
    environ = {
        "IDENTITY": "a" * 64,
        "MLFLOW_TRACKING_URI": "http://x",
        "ARTIFACTS_URI": "file:///a",
        "CHECKPOINTS": "/c",
    }
    config = parse(["prepare", "--source=bundled://iris", "--preparation=7"], environ)
    with pytest.raises(
        ConfigError, match="--preparation 7: this image makes 1; change dataset.prep"
    ):
        prepare(config)
