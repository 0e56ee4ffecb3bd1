import json

import pytest
from ml_pipeline.documents.results import (
    MAX_BYTES,
    PreparationResult,
    TrainingResult,
    read_result,
)

from tests.support.simulate import PREPARED, finished, trained

GOOD = trained("a" * 64)


def problem(receipt, kind=TrainingResult) -> str:
    found = read_result(kind, finished(receipt))
    assert isinstance(found, str), found
    assert "\n" not in found
    assert len(found) <= 500
    return found.removeprefix(f"receipt.json of MLflow run {'1' * 32}: ")


def test_good_results_are_read():
    assert read_result(TrainingResult, finished(GOOD)).duration_s == 60
    assert read_result(PreparationResult, finished(PREPARED)).shape == (1, 8, 8)


def test_what_a_newer_trainer_says_more_is_passed_over():
    assert isinstance(read_result(TrainingResult, finished({**GOOD, "more": [1]})), TrainingResult)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"metrics": {"loss": float("nan")}}, "metrics.loss: 'nan' must be a finite number"),
        ({"metrics": {"loss": float("-inf")}}, "metrics.loss: '-inf' must be a finite number"),
        ({"metrics": {"loss": 10**400}}, "metrics.loss: "),
        ({"metrics": {"a\nb": 1}}, "must be one line of printable text"),
        ({"metrics": {"loss": True}}, "metrics.loss: True must be a number"),
        ({"metrics": {f"m{n}": n for n in range(300)}}, "must have at most 200"),
        ({"started": "yesterday"}, "started: 'yesterday' must be a time in UTC"),
        ({"started": "2026-13-45T99:99:99Z"}, "must be a time in UTC"),
        ({"duration_s": -1}, "duration_s: '-1' must be at least 0"),
        ({"duration_s": 1e300}, "duration_s: '1e+300' must be at most"),
        (
            {"artifact": {**GOOD["artifact"], "uri": "../../etc"}},
            "artifact.uri: '../../etc' must be",
        ),
        ({"artifact": {**GOOD["artifact"], "bytes": 10**30}}, "artifact.bytes: "),
        ({"artifact": None}, "artifact: None must hold keys and values"),
        ({"signature": "yes\n" * 4000}, "signature.bool: "),
    ],
)
def test_nonsense_is_named(change, text):
    assert text in problem({**GOOD, **change})


@pytest.mark.parametrize(
    ("receipt", "text"),
    [
        ([], "[] must hold keys and values"),
        ({"data": 5}, "metrics is missing, and 4 more faults"),
        (b"", "is not JSON (EOF while parsing a value at line 1 column 0)"),
        (b"<html>", "is not JSON ("),
        (b"[" * 100_000, "is not JSON (recursion limit exceeded"),
        (b"\xff\xfe", "is not JSON ("),
        (json.dumps({**GOOD, "metrics": {"\ud800": 1}}).encode(), "is not JSON ("),
    ],
)
def test_what_is_no_result_at_all_is_named(receipt, text):
    assert problem(receipt).startswith(text)


def test_result_that_is_too_large_is_not_read():
    assert problem(b" " * (MAX_BYTES + 1)).endswith(f"has more than {MAX_BYTES} bytes")


def test_prepared_data_is_read_as_strictly():
    assert problem({"data": 5}, PreparationResult).startswith("data: '5' must hold keys and values")
    column = {**PREPARED["columns"][0], "std": float("nan")}
    text = problem({**PREPARED, "columns": [column]}, PreparationResult)
    assert text == "columns[0].std: 'nan' must be a finite number"
