import shutil

import pytest
from ml_pipeline.cli import main
from ml_pipeline.commands import console
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.layout import run_of
from ml_pipeline.operations.demo import Demo, _clone
from ml_pipeline.operations.up import open_origin

from tests.conftest import FIXTURES, git


@pytest.fixture
def demo(tmp_path) -> Demo:
    return Demo(tmp_path / "team", console.talk)


def test_steps_are_timed_and_keep_their_result(demo, capsys):
    with demo.step("do something") as result:
        result.append("done")
    assert demo.timeline[0][1:] == ("do something", "done")
    assert "do something ..." in capsys.readouterr().err


def test_waiting_in_vain_names_where_to_look(demo):
    with pytest.raises(PipelineError, match=r"waited 0 s for rain; see .*supervisor.log"):
        demo.wait("rain", lambda: False, seconds=0)


def test_receipts_are_read_from_the_branch(demo, team):
    demo.clone.parent.mkdir(exist_ok=True)
    git(team, "clone", "--quiet", "--bare", str(team), str(demo.state.origin))
    assert len(demo.receipts(run_of)) == 4


def promoted(clone) -> None:
    for part in ("promotions/digits.yaml", "rollouts/digits/kustomization.yaml"):
        place = clone / "environments/local" / part
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(FIXTURES / "valid/environments/local" / part, place)
    shutil.copytree(FIXTURES / "valid/experiments/good", clone / "experiments/good")


def renamed(clone) -> None:
    (clone / "experiments/digits-mlp").rename(clone / "experiments/ours")


def without_samples(clone) -> None:
    shutil.rmtree(clone / "experiments")


def without_local(clone) -> None:
    shutil.rmtree(clone / "environments/local")


def invalid(clone) -> None:
    (clone / "experiments/digits-mlp/experiment.yaml").write_text("kind: [")
    (clone / "environments/local/environment.yaml").write_text("name: x\n")


@pytest.mark.parametrize(
    "committed",
    [promoted, renamed, without_samples, without_local, invalid],
    ids=lambda c: c.__name__,
)
def test_whatever_is_committed_it_begins_with_nothing_and_is_valid(shipped, tmp_path, committed):
    committed(shipped)
    git(shipped, "add", "--all")
    git(shipped, "commit", "--quiet", "--message", "Ours")
    begun_in(shipped, tmp_path)


def test_shallow_clone_is_enough(shipped, tmp_path):
    (shipped / "notes.md").write_text("more\n")
    git(shipped, "add", "--all")
    git(shipped, "commit", "--quiet", "--message", "More")
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{shipped}", "shallow")
    begun_in(tmp_path / "shallow", tmp_path)


def begun_in(repo, tmp_path) -> None:
    """The clone holds no document but its own, and a git server can be seeded with it."""
    demo = Demo(tmp_path / "demo/team")
    demo.clone.parent.mkdir()
    _clone(demo, repo)
    assert git(demo.clone, "ls-files", "experiments", "environments").splitlines() == [
        "environments/local/environment.yaml"
    ]
    assert git(demo.clone, "status", "--porcelain") == ""
    open_origin(demo.clone, demo.state)
    for name in ("digits-mlp", "digits-cnn"):
        draft = demo.clone.parent / f"{name}.yaml"
        assert main(["submit", "--repo", str(demo.clone), str(draft), "--merge"]) == 0
