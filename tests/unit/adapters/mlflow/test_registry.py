"""The registry's adapter against a real MLflow server."""

import json
import urllib.request
from dataclasses import replace

import pytest
from ml_pipeline.adapters.mlflow.registry import Registry
from ml_pipeline.documents.faults import UnavailableError
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.environments.embedded.state import free_port
from ml_pipeline.rules.automation.mirror import Alias, RunNote, mirror

from tests.support.mlflow_server import mlflow_server

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as found:
        yield found


def ask(uri, method, body=None, **query):
    path = f"{uri}/api/2.0/mlflow/{method}?{'&'.join(f'{k}={v}' for k, v in query.items())}"
    raw = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(path, raw, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read())


def new_run(uri, identity) -> str:
    tags = [{"key": "identity", "value": identity}]
    body = {"experiment_id": "0", "start_time": 1, "tags": tags}
    return ask(uri, "runs/create", body)["run"]["info"]["run_id"]


def wanted_on(uri, snapshot, model):
    """The mirror of the fixtures for an environment and a model of that name, with runs that this server has."""
    found = mirror(snapshot, "local")
    notes = tuple(replace(n, run_id=n.run_id and new_run(uri, n.identity)) for n in found.notes)
    return replace(
        found,
        notes=notes,
        versions=tuple(replace(v, model=model, model_id="") for v in found.versions),
        aliases=tuple(
            replace(a, model=model, name=a.name.replace("local", model)) for a in found.aliases
        ),
        names=(model, f"{model}-candidate"),
    )


def aliases(uri, model) -> dict[str, str]:
    found = ask(uri, "registered-models/get", name=model)["registered_model"]
    return {alias["alias"]: alias["version"] for alias in found.get("aliases", ())}


def test_versions_aliases_and_tags_follow_from_git(uri, snapshot):
    wanted = wanted_on(uri, snapshot, "lamp")
    lines = Registry(uri).bring(wanted)
    numbers = {v.run: str(n) for n, v in enumerate(wanted.versions, 1)}
    promotion = snapshot.promotions["local", "digits"]
    assert "registered the model lamp" in lines
    assert aliases(uri, "lamp") == {
        "lamp": numbers[promotion.baseline],
        "lamp-candidate": numbers[promotion.run],
    }
    version = ask(uri, "model-versions/get", name="lamp", version=numbers[promotion.run])
    tags = {tag["key"]: tag["value"] for tag in version["model_version"]["tags"]}
    assert tags["sha256"] == snapshot.runs_by_reference[promotion.run].artifact.sha256
    run = ask(uri, "runs/get", run_id=next(n.run_id for n in wanted.notes if n.run_id))["run"]
    assert {"owner", "commit", "environment", "mlflow.note.content"} <= {
        tag["key"] for tag in run["data"]["tags"]
    }


def test_what_is_there_is_not_written_again(uri, snapshot):
    wanted = wanted_on(uri, snapshot, "desk")
    assert Registry(uri).differences(wanted) != []
    Registry(uri).bring(wanted)
    assert Registry(uri).bring(wanted) == []
    assert Registry(uri).differences(wanted) == []


def test_failed_run_that_nobody_ended_is_ended_with_its_reason(uri, snapshot):
    wanted = wanted_on(uri, snapshot, "wire")
    failed = next(note for note in wanted.notes if note.reason)
    run_id = new_run(uri, failed.identity)
    Registry(uri).bring(wanted)
    run = ask(uri, "runs/search", {"experiment_ids": ["0"], "filter": f"tags.identity = '{failed.identity}' and attributes.status = 'FAILED'"})["runs"][0]  # fmt: skip
    assert {tag["key"]: tag["value"] for tag in run["data"]["tags"]}["reason"] == failed.reason
    assert run_id


def test_alias_moves_and_goes_with_git(uri, snapshot):
    wanted, server = wanted_on(uri, snapshot, "door"), Registry(uri)
    server.bring(wanted)
    promotion = snapshot.promotions["local", "digits"]
    server.bring(replace(wanted, aliases=(Alias("door", "door", promotion.run),)))
    assert list(aliases(uri, "door")) == ["door"]
    server.bring(replace(wanted, aliases=()))
    assert aliases(uri, "door") == {}


def test_other_aliases_are_left_alone(uri, snapshot):
    wanted, server = wanted_on(uri, snapshot, "roof"), Registry(uri)
    server.bring(wanted)
    ask(uri, "registered-models/alias", {"name": "roof", "alias": "mine", "version": "1"})
    server.bring(replace(wanted, aliases=()))
    assert aliases(uri, "roof") == {"mine": "1"}


def test_alias_moved_by_hand_comes_back(uri, snapshot):
    wanted = wanted_on(uri, snapshot, "gate")
    Registry(uri).bring(wanted)
    before = aliases(uri, "gate")
    body = {"name": "gate", "alias": "gate", "version": before["gate-candidate"]}
    ask(uri, "registered-models/alias", body)
    assert Registry(uri).differences(wanted) == [f"gate: gate is {before['gate-candidate']}, git says {before['gate']}"]  # fmt: skip
    Registry(uri).bring(wanted)
    assert aliases(uri, "gate") == before


def test_run_that_was_deleted_there_keeps_no_other_from_its_tags(uri, snapshot):
    wanted = wanted_on(uri, snapshot, "bell")
    gone, *others = [note for note in wanted.notes if note.run_id]
    ask(uri, "runs/delete", {"run_id": gone.run_id})
    absent = RunNote("e" * 64, "f" * 32, (("owner", "a"),))
    lines = Registry(uri).bring(replace(wanted, notes=(absent, gone, *others)))
    tags = ask(uri, "runs/get", run_id=others[0].run_id)["run"]["data"]["tags"]
    assert "owner" in {tag["key"] for tag in tags}
    assert not any("f" * 32 in line for line in lines)


def test_many_runs_are_listed_and_not_asked_for_one_by_one(uri, snapshot):
    wanted = wanted_on(uri, snapshot, "many")
    ids = [new_run(uri, f"{n:064x}") for n in range(60)]
    notes = tuple(
        RunNote(f"{n:064x}", run_id if n % 2 else "", (("owner", f"team-{n}"),))
        for n, run_id in enumerate(ids)
    )
    Registry(uri).bring(replace(wanted, notes=notes))
    for number in (0, 31, 59):
        tags = ask(uri, "runs/get", run_id=ids[number])["run"]["data"]["tags"]
        assert {"key": "owner", "value": f"team-{number}"} in tags


def test_lost_registry_is_written_again(tmp_path, files):
    snapshot = load_snapshot(files)
    with mlflow_server(tmp_path) as other:
        found = mirror(snapshot, "local")
        bare = replace(
            found,
            versions=tuple(replace(v, run_id="", model_id="") for v in found.versions),
        )
        Registry(other).bring(bare)
        assert Registry(other).differences(bare) == []
        assert set(aliases(other, "digits")) == {"local", "local-candidate"}


def test_silent_server_is_said(snapshot):
    with pytest.raises(UnavailableError, match="does not answer"):
        Registry(f"http://127.0.0.1:{free_port()}").bring(mirror(snapshot, "local"))
