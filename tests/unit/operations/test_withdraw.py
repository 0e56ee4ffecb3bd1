import re

import pytest
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.adapters.mlflow import tracking as mlflow
from ml_pipeline.cli import main
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.environments.embedded.observe import Observer
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.operations.reconcile import one_pass, open_reconciler
from ml_pipeline.operations.up import open_origin

from tests.conftest import git
from tests.support.simulate import spoken

WAITING = "experiments/waiting/experiment.yaml"
WEAK = "experiments/weak/runs/e96261b1e3.yaml"
BROKEN = "experiments/broken/runs/970e519fc8.yaml"
DATA = "experiments/better/data/216b187a78.yaml"


@pytest.fixture
def state(rendered_team, monkeypatch) -> State:
    """An environment in which nothing has finished."""
    found = State(rendered_team / ".ml-pipeline")
    open_origin(rendered_team, found)
    found.write("endpoints", {"mlflow": 9})
    return found


def push(team, path: str, raw: bytes) -> None:
    (team / path).write_bytes(raw)
    git(team, "add", "--all")
    git(team, "commit", "--quiet", "--message", "Break")
    git(team, "push", "--quiet", "local", "HEAD:main")


def withdraw(team, what: str, code: int = 0) -> None:
    assert main(["withdraw", "--repo", str(team), what]) == code


def head(state) -> Snapshot:
    return Snapshot(Repository(state.origin).read("main"))


@pytest.mark.parametrize("what", [WEAK, "weak/e96261b1e3", "./" + WEAK])
def test_receipt_is_taken_out_by_one_commit_of_the_person(rendered_team, state, capsys, what):
    withdraw(rendered_team, what)
    assert WEAK not in head(state).files
    assert git(state.origin, "log", "-1", "--format=%an: %s", "main") == f"Ada: Withdraw {what}"
    assert capsys.readouterr().out.startswith(f"withdrew {WEAK} as ")


@pytest.mark.parametrize("what", [DATA, "216b187a78", "data-216b187a78", "data/216b187a78"])
def test_receipt_of_data_is_found_by_its_id(rendered_team, state, what):
    withdraw(rendered_team, what)
    assert DATA not in head(state).files


def test_document_that_cannot_be_read_is_taken_out_while_others_are_broken(rendered_team, state):
    push(rendered_team, WEAK, b"\xff")
    push(rendered_team, WAITING, b"kind: [")
    push(rendered_team, "environments/staging/environment.yaml", b"")
    withdraw(rendered_team, WAITING)
    withdraw(rendered_team, "weak/e96261b1e3")
    assert {WAITING, WEAK} & head(state).files.keys() == set()


def test_experiment_takes_the_overlay_of_its_run_along(rendered_team, state, capsys):
    withdraw(rendered_team, WAITING)
    assert not any("/training/waiting-" in path for path in head(state).files)
    assert "it trains no more" in capsys.readouterr().out


def test_failed_run_trains_again(rendered_team, state):
    withdraw(rendered_team, "broken/970e519fc8")
    steps, _ = one_pass(open_reconciler(rendered_team, "local"))
    written = {path.split("/")[3][:17] for step in steps for path in step.changes.write}
    assert written == {"broken-970e519fc8"}


def nonsense(team, state, monkeypatch) -> str:
    """Have a run settle as failed for what it left in MLflow, and give its path."""
    with monkeypatch.context() as patch:
        patch.setattr(Observer, "look", spoken(lambda _: []))
        one_pass(open_reconciler(team, "local"))
    return "experiments/waiting/runs/ddd4bf48a3.yaml"


def test_run_that_left_nonsense_is_forgotten_by_mlflow(rendered_team, state, monkeypatch):
    """Else its Job would find it there, be done at once, and the nonsense would be recorded again."""
    deleted = []
    monkeypatch.setattr(mlflow.Tracking, "delete", lambda _, run: deleted.append(run))
    path = nonsense(rendered_team, state, monkeypatch)
    withdraw(rendered_team, path)
    assert deleted == ["1" * 32]
    assert path not in head(state).files


def test_silent_mlflow_leaves_everything_as_it_is(rendered_team, state, monkeypatch, capsys):
    path = nonsense(rendered_team, state, monkeypatch)
    withdraw(rendered_team, path, code=2)
    assert "MLflow at http://127.0.0.1:9 does not answer" in capsys.readouterr().err
    assert path in head(state).files


@pytest.mark.parametrize(
    ("what", "text"),
    [
        (
            "good/31a4e76e1a",
            "is named by environments/local/promotions/digits.yaml; roll that back first with "
            "`ml-pipeline rollback digits --env local`",
        ),
        ("environments/local/promotions/digits.yaml", "`ml-pipeline rollback digits --env local`"),
        (
            "environments/local/environment.yaml",
            "is no experiment and no receipt; revert its commit",
        ),
        ("base/training-job/job.yaml", "is no experiment and no receipt; revert its commit"),
        ("nothing", "is nothing on the branch; give a path"),
        ("good/0000000000", "is nothing on the branch; give a path"),
    ],
)
def test_what_is_not_to_be_withdrawn_is_refused(rendered_team, state, capsys, what, text):
    before = head(state).files
    withdraw(rendered_team, what, code=2)
    assert text in capsys.readouterr().err
    assert head(state).files == before


def test_run_that_a_broken_promotion_names_is_refused(rendered_team, state, capsys):
    promotion = rendered_team / "environments/local/promotions/digits.yaml"
    push(
        rendered_team, "environments/local/promotions/digits.yaml", promotion.read_bytes() + b"x: ["
    )
    withdraw(rendered_team, "good/31a4e76e1a", code=2)
    assert "roll that back first" in capsys.readouterr().err


def test_stray_file_is_taken_out(rendered_team, state):
    push(rendered_team, "experiments/notes.yaml", b"x: 1\n")
    withdraw(rendered_team, "experiments/notes.yaml")
    assert "experiments/notes.yaml" not in head(state).files


def advice(team, capsys, run: str) -> list[str]:
    """The command that `status` names first of a run whose model is not here; none where it is."""
    main(["status", "--repo", str(team)])
    lines = capsys.readouterr().out.splitlines()
    said = "".join(line for line in lines if line.startswith(f"{run} is trained, but its model"))
    command = re.search(r"`ml-pipeline ([^`]+)`", said)
    return command[1].split() if command else []


@pytest.mark.parametrize("run", ["good/31a4e76e1a", "better/c39d9a14b0"], ids=["old", "new"])
def test_lost_model_of_a_promoted_run_is_trained_again_by_what_status_says(
    rendered_team, state, capsys, run
):
    followed = []
    while command := advice(rendered_team, capsys, run):
        assert main([*command, "--repo", str(rendered_team)]) == 0
        followed.append(command[0])
    assert followed == ["rollback", "withdraw"]
    steps, _ = one_pass(open_reconciler(rendered_team, "local"))
    written = {path.split("/")[3] for step in steps for path in step.changes.write}
    assert any(folder.startswith(run.replace("/", "-")) for folder in written)
