from dataclasses import replace
from types import SimpleNamespace

import pytest
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.rules.automation.mirror import Alias, mirror

from tests.conftest import FIXTURES

PROMOTION = "environments/local/promotions/digits.yaml"


@pytest.fixture
def wanted(snapshot):
    return mirror(snapshot, "local")


def note_of(wanted, run):
    return dict(next(note.tags for note in wanted.notes if note.identity == run.identity))


def test_every_promoted_run_is_a_version(snapshot, wanted):
    promotion = snapshot.promotions["local", "digits"]
    assert {version.run for version in wanted.versions} == {promotion.run, promotion.baseline}
    assert {version.model for version in wanted.versions} == {"digits"}


def test_version_names_run_commit_receipt_and_digest(snapshot, wanted):
    (version,) = (v for v in wanted.versions if v.run.startswith("good/"))
    receipt = snapshot.runs_by_reference[version.run]
    tags = dict(version.tags)
    assert (tags["run"], tags["commit"], tags["sha256"]) == (
        version.run,
        receipt.commit,
        receipt.artifact.sha256,
    )
    assert tags["receipt"] == f"experiments/good/runs/{receipt.id}.yaml"
    assert version.run_id == receipt.tracking.run_id
    assert version.logged_at == f"mlflow-artifacts:/{receipt.artifact.uri.removeprefix('mlflow/')}"
    assert version.served_from == f"pvc://artifacts/{receipt.artifact.uri}"


def test_canary_is_a_candidate_beside_what_serves(snapshot, wanted):
    promotion = snapshot.promotions["local", "digits"]
    assert wanted.aliases == (
        Alias("digits", "local", promotion.baseline),
        Alias("digits", "local-candidate", promotion.run),
    )


def test_what_serves_alone_has_the_name_of_the_environment(files, snapshot):
    promotion = snapshot.promotions["local", "digits"]
    alone = files[PROMOTION].decode().splitlines()
    alone = [line for line in alone if not line.startswith("baseline:")]
    found = mirror(load_snapshot(files | {PROMOTION: "\n".join(alone).encode()}), "local")
    assert found.aliases == (Alias("digits", "local", promotion.run),)


def test_what_is_taken_out_of_git_has_no_alias(files):
    gone = {path: raw for path, raw in files.items() if "/promotions/" not in path}
    assert mirror(load_snapshot(gone), "local").aliases == ()


def test_other_environments_are_not_touched(snapshot):
    assert mirror(snapshot, "staging").aliases == ()
    assert mirror(snapshot, "staging").names == ("staging", "staging-candidate")


def test_run_says_who_owns_it_and_where_it_comes_from(snapshot, wanted):
    run = next(run for run in snapshot.runs.values() if run.experiment == "good")
    tags = note_of(wanted, run)
    owner = snapshot.experiments["good"].owner
    assert (tags["owner"], tags["environment"], tags["commit"]) == (owner, "local", run.commit)
    assert tags["mlflow.source.git.commit"] == run.commit
    assert "`experiments/good/experiment.yaml`" in tags["mlflow.note.content"]


def test_description_links_where_a_browser_can_go(snapshot):
    environment = snapshot.environments["staging"]
    source = environment.source.model_copy(update={"url": "https://example.com/team/models.git"})
    linked = environment.model_copy(update={"source": source, "name": "local"})
    run = next(run for run in snapshot.runs.values() if run.experiment == "good")

    parts = {"promotions": {}, "verdicts": {}, "runs_by_reference": {}}
    parts |= {"environments": {"local": linked}, "runs": {run.identity: run}}
    shown = SimpleNamespace(**parts, experiments=snapshot.experiments)
    text = note_of(mirror(shown, "local"), run)["mlflow.note.content"]
    path = f"experiments/good/runs/{run.id}.yaml"
    assert f"[{path}](https://example.com/team/models/blob/main/{path})" in text
    assert f"https://example.com/team/models/commit/{run.commit}" in text


def test_failed_run_says_why(snapshot, wanted):
    run = next(run for run in snapshot.runs.values() if run.outcome == "failed")
    (note,) = (note for note in wanted.notes if note.identity == run.identity)
    assert (note.run_id, note.reason) == ("", run.reason)
    assert run.reason in note_of(wanted, run)["mlflow.note.content"]


def test_same_revision_is_the_same_mirror(files, wanted):
    assert mirror(load_snapshot(dict(reversed(files.items()))), "local") == wanted
    assert replace(wanted, notes=()) != wanted
    assert (FIXTURES / "valid").is_dir()
