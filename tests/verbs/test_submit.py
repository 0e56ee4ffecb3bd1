import pytest
from ml_pipeline.adapters.code import digest_at
from ml_pipeline.adapters.git import Repository
from ml_pipeline.cli import main
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.local.state import State
from ml_pipeline.rules.render import Changes, drift
from ml_pipeline.verbs.up import open_origin

from tests.conftest import git
from tests.simulate import settle


@pytest.fixture
def draft(tmp_path, files):
    path = tmp_path / "draft.yaml"
    text = (
        files["experiments/waiting/experiment.yaml"]
        .decode()
        .replace("name: waiting", "name: fresh")
        .replace("seed: 7", "seed: 8")
    )
    path.write_text(
        "".join(line for line in text.splitlines(keepends=True) if not line.startswith("image:"))
    )
    return path


def submit(team, draft, *options: str) -> int:
    return main(["submit", "--repo", str(team), str(draft), *options])


def head(team) -> dict[str, bytes]:
    repository = Repository(team)
    return repository.read(repository.fetch())


def test_merged_experiment_comes_with_its_overlay_in_one_commit(team, draft):
    assert submit(team, draft, "--merge") == 0
    git(team, "fetch", "--quiet", "origin")
    changed = git(team, "show", "--name-only", "--format=", "origin/main").splitlines()
    assert "experiments/fresh/experiment.yaml" in changed
    assert any(path.startswith("environments/local/training/") for path in changed)
    assert not drift(load_snapshot(head(team)))


def test_image_is_pinned_to_the_trainer_of_the_branch(team, draft):
    submit(team, draft, "--merge")
    pinned = load_snapshot(head(team)).experiments["fresh"].image
    assert pinned == digest_at(Repository(team), "origin/main", "trainer")


def test_checkout_is_not_touched(team, draft):
    before = git(team, "rev-parse", "HEAD")
    submit(team, draft, "--merge")
    assert (git(team, "rev-parse", "HEAD"), git(team, "status", "--porcelain")) == (before, "")


def test_without_merge_it_becomes_a_branch(team, draft, capsys):
    before = head(team)
    assert submit(team, draft) == 0
    assert "on experiments/fresh" in capsys.readouterr().out
    assert head(team) == before
    assert git(team, "ls-remote", "origin", "refs/heads/experiments/fresh")


def test_submitting_twice_is_one_commit(team, draft):
    submit(team, draft, "--merge")
    first = Repository(team).fetch()
    submit(team, draft, "--merge")
    assert Repository(team).fetch() == first


def test_settings_change_the_draft(team, draft):
    submit(team, draft, "--merge", "--set", "parameters.epochs=5", "--set", "seed=11")
    experiment = load_snapshot(head(team)).experiments["fresh"]
    assert (experiment.parameters.epochs, experiment.seed) == (5, 11)


def test_faults_name_the_draft_and_commit_nothing(team, draft, capsys):
    before = head(team)
    assert submit(team, draft, "--merge", "--set", "parameters.epochs=0") == 2
    assert "parameters.epochs: '0' must be at least 1" in capsys.readouterr().err
    assert head(team) == before


@pytest.mark.parametrize("setting", ["epochs", "=5", "seed.deeper=1"])
def test_malformed_settings_are_named(team, draft, capsys, setting):
    assert submit(team, draft, "--set", setting) == 2
    assert f"--set {setting!r}" in capsys.readouterr().err


def test_missing_draft_is_named(team, tmp_path, capsys):
    assert submit(team, tmp_path / "none.yaml") == 2
    assert "none.yaml is not there" in capsys.readouterr().err


def test_trained_run_is_reused(team, draft, capsys):
    submit(team, draft, "--merge")
    repository = Repository(team)
    parent = repository.fetch()
    settled = settle(repository.read(parent))
    gone = frozenset(repository.read(parent)) - settled.keys()
    repository.push(repository.commit(parent, Changes(settled, gone), "Settle"), parent)
    assert submit(team, draft, "--merge") == 0
    assert "trained already" in capsys.readouterr().out


def test_run_of_another_machine_is_said_with_the_way_to_train_it_here(team, files, draft, capsys):
    draft.write_bytes(files["experiments/good/experiment.yaml"])
    open_origin(team, State(team / ".ml-pipeline"))
    assert submit(team, draft, "--merge") == 0
    assert capsys.readouterr().out == (
        "good/31a4e76e1a: nothing runs; good/31a4e76e1a is trained, but its model is not on this machine; "
        "`ml-pipeline withdraw good/31a4e76e1a` trains it here\n"
    )


def test_data_of_another_machine_is_said_with_the_way_to_prepare_it_here(team, draft, capsys):
    open_origin(team, State(team / ".ml-pipeline"))
    assert submit(team, draft, "--merge") == 0
    path = "experiments/better/data/216b187a78.yaml"
    assert capsys.readouterr().err == (
        f"data 216b187a78 of fresh is prepared, but it is not on this machine; `ml-pipeline withdraw {path}` prepares it here\n"
    )
