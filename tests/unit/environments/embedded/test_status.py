"""What people see of the embedded environment, up and down; tests/unit/operations/test_status.py has the printed page."""

import pytest
from ml_pipeline.environments.embedded import records, status
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.environments.embedded.status import look, url_of
from ml_pipeline.environments.records import SeenRevision
from ml_pipeline.rules.automation.branch import Branch
from ml_pipeline.rules.identity.hashes import data_identity

from tests.support.simulate import serving_status


@pytest.fixture
def state(tmp_path):
    return State(tmp_path / ".ml-pipeline")


@pytest.fixture
def supervisor(monkeypatch):
    """Its process id, in a list that is empty once the environment is down."""
    running = [1]
    monkeypatch.setattr(status, "running", lambda _: running[0] if running else None)
    return running


def add_job(state, name: str, labels=None, **about) -> None:
    manifest = {"metadata": {"labels": labels or {"ml-pipeline/experiment": name}}}
    state.write(f"jobs/{name}", {"name": name, "manifest": manifest, **about})


@pytest.fixture
def shown(state, snapshot):
    def ask(selector: str = ""):
        return look(state, Branch(snapshot), "local", selector)

    return ask


def serve(state, files) -> None:
    predictor = {"run": "good/31a4e76e1a", "weight": 90, "ready": True, "message": ""}
    about = {"model": "digits", "state": "Available", "url": "http://x/"}
    raw = {**serving_status(files), **about, "predictors": [predictor]}
    records.save_serving(state, records.status_of(raw))


@pytest.mark.parametrize(
    ("is_up", "phase", "kept", "seconds"),
    [
        (True, "Running", "Running", 60.0),
        (False, "Running", "Stopped", 0.0),
        (False, "Complete", "Complete", 60.0),
        (False, "Failed", "Failed", 60.0),
    ],
)
def test_job_that_ran_when_the_environment_went_down_has_stopped(
    state, shown, supervisor, monkeypatch, is_up, phase, kept, seconds
):
    monkeypatch.setattr(status.time, "time", lambda: 160.0)
    ended = {} if phase == "Running" else {"finished": 160.0}
    add_job(state, "a", phase=phase, started=100.0, **ended)
    if not is_up:
        supervisor.clear()
    (job,) = shown().jobs
    assert (job.phase, job.seconds) == (kept, seconds)
    assert ("goes on with" in job.message) == (kept == "Stopped")


def test_job_that_has_not_started_took_no_time(state, shown, supervisor):
    add_job(state, "a", phase="Pending")
    assert shown().jobs[0].seconds == 0.0


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("", ["a", "b"]),
        ("ml-pipeline/experiment=a", ["a"]),
        ("x=1", ["b"]),
        ("ml-pipeline/experiment=b,x=1", ["b"]),
        ("ml-pipeline/experiment=a,x=1", []),
        ("x=", []),
    ],
)
def test_selector_leaves_what_has_all_of_its_labels(state, shown, supervisor, selector, names):
    add_job(state, "a", phase="Pending")
    add_job(state, "b", {"ml-pipeline/experiment": "b", "x": "1"}, phase="Pending")
    assert [job.name for job in shown(selector).jobs] == names


def test_job_of_data_says_who_waits_for_it(state, shown, supervisor, snapshot):
    """Its own name says nothing of them."""
    data = data_identity(snapshot.experiments["waiting"])[:10]
    add_job(state, "data", {"ml-pipeline/data": data}, phase="Pending")
    assert shown().jobs[0].message == "data of better, broken, good and 2 more"


def test_model_of_an_environment_that_is_down_does_not_serve(state, shown, supervisor, files):
    serve(state, files)
    (model,) = shown().models
    assert (model.model, model.state, model.predictors[0].ready) == ("digits", "Available", True)
    assert list(shown().traffic) == ["digits"]
    assert url_of(state, "digits") == "http://x/"
    supervisor.clear()
    (model,) = shown().models
    assert (model.state, shown().traffic, url_of(state, "digits")) == ("Down", None, None)
    assert [predictor.ready for predictor in model.predictors] == [False]


def test_traffic_is_that_of_all_models_whatever_is_selected(state, shown, supervisor, files):
    serve(state, files)
    found = shown("ml-pipeline/model=letters")
    assert found.models == ()
    assert list(found.traffic) == ["digits"]


def test_model_that_nothing_serves_has_no_address(state, supervisor):
    assert url_of(state, "digits") is None


def test_environment_that_was_never_up_shows_nothing(shown):
    found = shown()
    assert (found.up, found.jobs, found.models, found.traffic) == (False, (), (), None)
    assert found.revision == SeenRevision()
