"""What of MLflow's answers is read, and what is not taken for one."""

import pytest
from ml_pipeline.adapters.mlflow.answers import (
    LoggedRun,
    ModelVersion,
    OneRun,
    OneVersion,
    Runs,
    Versions,
)
from pydantic import ValidationError

INFO = {"run_id": "1" * 32, "experiment_id": "7"}


def logged(uri: str, *models: str, tags=()) -> LoggedRun:
    return LoggedRun.model_validate(
        {
            "info": {**INFO, "artifact_uri": uri},
            "data": {"tags": [{"key": key, "value": value} for key, value in tags]},
            "outputs": {"model_outputs": [{"model_id": model} for model in models]},
        }
    )


@pytest.mark.parametrize(
    ("uri", "models", "folders"),
    [
        ("mlflow-artifacts:/7/a/artifacts", (), ("mlflow/7/a/artifacts",)),
        ("mlflow-artifacts:///7/a/artifacts", (), ("mlflow/7/a/artifacts",)),
        ("", ("m-1",), ("mlflow/7/models/m-1/artifacts",)),
        (
            "mlflow-artifacts:/7/a",
            ("m-1", "m-2"),
            ("mlflow/7/a", "mlflow/7/models/m-1/artifacts", "mlflow/7/models/m-2/artifacts"),
        ),
        ("", (), ()),
    ],
)
def test_run_has_a_folder_of_its_own_and_one_a_model(uri, models, folders):
    assert logged(uri, *models).folders == folders


def test_tags_are_values_by_key_and_the_last_of_a_key_counts():
    tags = [("a", "1"), ("b", "2"), ("a", "3")]
    assert logged("", tags=tags).tags == {"a": "3", "b": "2"}


def test_answer_may_hold_more_than_is_read():
    run = LoggedRun.model_validate({"info": {**INFO, "new": 1}, "new": {}})
    assert (run.info.lifecycle_stage, run.info.status, run.tags) == ("active", "", {})


@pytest.mark.parametrize(
    "raw", ['{"run": {}}', '{"run": {"info": {"run_id": 5, "experiment_id": "7"}}}', "[]", "{}", ""]
)
def test_run_without_what_is_read_of_it_is_none(raw):
    with pytest.raises(ValidationError):
        OneRun.model_validate_json(raw)


def test_list_may_be_empty_or_left_out():
    assert Runs.model_validate_json("{}").runs == []
    assert Versions.model_validate_json('{"next_page_token": "x"}').next_page_token == "x"


def test_answer_of_somebody_else_shows_by_what_is_beside_it():
    assert Runs.model_validate_json('{"hello": 1}').model_extra == {"hello": 1}
    assert Runs.model_validate_json('{"runs": []}').model_extra == {}


@pytest.mark.parametrize(
    ("tags", "run"),
    [
        ([], None),
        ([{"key": "runs", "value": "a"}], None),
        ([{"key": "sha256", "value": "x"}, {"key": "run", "value": "good/1"}], "good/1"),
        ([{"key": "run"}], ""),
    ],
)
def test_version_is_of_the_run_that_its_tag_names(tags, run):
    assert ModelVersion.model_validate({"version": "3", "tags": tags}).run == run


def test_number_of_a_version_is_text():
    assert OneVersion.model_validate({"model_version": {"version": "3"}}).model_version.run is None
    with pytest.raises(ValidationError):
        OneVersion.model_validate({"model_version": {"version": 3}})
