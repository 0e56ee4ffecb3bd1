import re

import pytest
from ml_pipeline.adapters.git.code import digest_at, digest_of_tree
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.cli import main
from ml_pipeline.documents.changes import Changes
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.operations.up import open_origin
from ml_pipeline.rules.identity.settled import receipt_line, settling_receipt
from ml_pipeline.rules.render.drift import drift

from tests.conftest import git
from tests.support.simulate import settle


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


def test_folder_in_place_of_a_draft_is_named(team, capsys):
    assert submit(team, team / "experiments") == 2
    assert "experiments is a folder; name the experiment.yaml to submit" in capsys.readouterr().err


def test_missing_draft_is_named(team, tmp_path, capsys):
    assert submit(team, tmp_path / "none.yaml") == 2
    assert "none.yaml is not there" in capsys.readouterr().err


def settle_branch(team) -> None:
    repository = Repository(team)
    parent = repository.fetch()
    settled = settle(repository.read(parent))
    gone = frozenset(repository.read(parent)) - settled.keys()
    repository.push(repository.commit(parent, Changes(settled, gone), "Settle"), parent)


@pytest.mark.parametrize("options", [("--merge",), ()])
@pytest.mark.parametrize("name", ["fresh", "other"])
def test_trained_run_is_reused_and_nothing_is_pushed(team, draft, capsys, options, name):
    submit(team, draft, "--merge")
    settle_branch(team)
    before = git(team, "ls-remote", "origin")
    capsys.readouterr()
    assert submit(team, draft, "--set", f"name={name}", *options) == 0
    said = capsys.readouterr().out
    assert re.match(
        rf"{name}/[0-9a-f]{{10}}: nothing to commit; trained already, "
        r"experiments/fresh/runs/[0-9a-f]{10}.yaml is its receipt \(gate_accuracy 0.98, .*\); nothing runs\n",
        said,
    )
    assert git(team, "ls-remote", "origin") == before


def test_gates_of_a_trained_run_can_still_be_changed(team, draft, capsys):
    submit(team, draft, "--merge")
    settle_branch(team)
    assert submit(team, draft, "--merge", "--set", "gates.min_accuracy=0.95") == 0
    assert "; trained already, " in capsys.readouterr().out
    assert load_snapshot(head(team)).experiments["fresh"].gates.min_accuracy == 0.95


def test_failed_run_says_how_to_try_again(snapshot):
    receipt = settling_receipt(snapshot, snapshot.experiments["broken"])
    path = "experiments/broken/runs/970e519fc8.yaml"
    assert receipt_line(snapshot, receipt) == (
        f"failed, {path} is the receipt: {receipt.reason}; to try again, `ml-pipeline withdraw {path}`"
    )


COMMENTED = """\
# Why: the widest that fits.
kind: Experiment
apiVersion:   ml-pipeline/v1
name: 'fresh'   # ours

owner: vision
environment: local
dataset: {uri: bundled://digits}   # 1797 rows
model: {name: digits, type: mlp}
parameters:
    epochs: 30  # enough
    # hidden: 64
seed: 8"""


def test_file_is_committed_as_it_was_written(team, tmp_path):
    draft = tmp_path / "draft.yaml"
    draft.write_text(COMMENTED)
    submit(
        team, draft, "--merge", "--set", "parameters.epochs=5", "--set", "gates.min_accuracy=0.9"
    )
    pinned = digest_at(Repository(team), "origin/main", "trainer")
    expected = (
        COMMENTED.replace("epochs: 30", "epochs: 5")
        .replace(
            "model: {name: digits, type: mlp}\n",
            f'model: {{name: digits, type: mlp}}\nimage: "{pinned}"\n',
        )
        .replace("seed: 8", "seed: 8\ngates: {min_accuracy: 0.9}")
    )
    assert head(team)["experiments/fresh/experiment.yaml"].decode() == expected
    assert draft.read_text() == COMMENTED


def test_pinned_file_is_committed_byte_for_byte(team, tmp_path):
    draft = tmp_path / "draft.yaml"
    pinned = digest_at(Repository(team), "origin/main", "trainer")
    raw = f"{COMMENTED}\nimage: {pinned}  \n\n".encode()
    draft.write_bytes(raw)
    submit(team, draft, "--merge")
    assert head(team)["experiments/fresh/experiment.yaml"] == raw


def test_carriage_returns_are_refused_at_the_draft(team, tmp_path, capsys):
    draft = tmp_path / "draft.yaml"
    draft.write_bytes(f"{COMMENTED}\n".replace("\n", "\r\n").encode())
    assert submit(team, draft, "--merge") == 2
    assert f"{draft}:1: holds U+000D, a carriage return" in capsys.readouterr().err


def test_faults_are_at_the_lines_of_the_draft(team, tmp_path, capsys):
    draft = tmp_path / "draft.yaml"
    draft.write_text(f"{COMMENTED}\nresources:\n  memory: 900Gi\n")
    assert submit(team, draft, "--merge") == 2
    assert f"{draft}:15: resources.memory: '900Gi' is above" in capsys.readouterr().err


def test_unknown_environment_is_named_rather_than_the_image(team, draft, capsys):
    assert submit(team, draft, "--set", "environment=moon") == 2
    said = capsys.readouterr().err
    assert re.search(r"draft.yaml:\d+: environment: 'moon' does not exist; known are local", said)
    assert "image" not in said


def test_commits_of_others_on_the_branch_stay(team, draft, capsys):
    submit(team, draft)
    git(team, "fetch", "--quiet", "origin", "experiments/fresh")
    git(team, "checkout", "--quiet", "-b", "help", "FETCH_HEAD")
    (team / "notes.md").write_text("mine\n")
    git(team, "add", "notes.md")
    git(team, "commit", "--quiet", "--message", "Note")
    git(team, "push", "--quiet", "origin", "help:experiments/fresh")
    theirs = git(team, "rev-parse", "HEAD")
    capsys.readouterr()
    submit(team, draft)
    assert "nothing to commit, it is" in capsys.readouterr().out
    submit(team, draft, "--set", "seed=9")
    git(team, "fetch", "--quiet", "origin", "experiments/fresh")
    assert git(team, "rev-parse", "FETCH_HEAD^") == theirs


def test_branch_that_was_merged_is_begun_anew(team, draft):
    submit(team, draft)
    git(team, "fetch", "--quiet", "origin", "experiments/fresh")
    git(team, "merge", "--quiet", "--squash", "FETCH_HEAD")
    git(team, "commit", "--quiet", "--message", "Squashed")
    git(team, "push", "--quiet", "origin", "main")
    submit(team, draft, "--set", "seed=9")
    git(team, "fetch", "--quiet", "origin", "experiments/fresh")
    assert git(team, "rev-parse", "FETCH_HEAD^") == git(team, "rev-parse", "origin/main")


def change_trainer(team) -> None:
    (team / "trainer/models.py").write_text("# another model\n")


def test_code_that_is_not_committed_is_said_not_to_train(team, draft, capsys):
    assert submit(team, draft, "--merge") == 0
    assert "trainer/" not in capsys.readouterr().err
    change_trainer(team)
    assert submit(team, draft, "--merge", "--set", "seed=9") == 0
    mine = digest_of_tree(Repository(team), "trainer")
    [said] = capsys.readouterr().err.splitlines()
    assert re.fullmatch(
        r"fresh trains trainer/ as of [0-9a-f]{10}, not as in this tree; to train yours, "
        rf"commit and merge trainer/ first, then submit with --set image={mine}",
        said,
    )
    assert git(team, "status", "--porcelain") == "M trainer/models.py"


def test_code_that_is_merged_but_not_pinned_is_said_not_to_train(team, draft, capsys):
    old = digest_at(Repository(team), "origin/main", "trainer")
    change_trainer(team)
    git(team, "commit", "--quiet", "--all", "--message", "Change the trainer")
    git(team, "push", "--quiet", "origin", "main")
    submit(team, draft, "--merge", "--set", f"image={old}")
    new = digest_at(Repository(team), "origin/main", "trainer")
    assert f"; to train yours submit with --set image={new}" in capsys.readouterr().err
    submit(team, draft, "--merge", "--set", "seed=9")
    assert capsys.readouterr().err == ""


def test_digest_that_no_commit_has_is_refused(team, draft, capsys):
    before = head(team)
    assert submit(team, draft, "--merge", "--set", f"image=sha256:{'e' * 64}") == 2
    assert "image: no commit holds trainer/ with the digest sha256:eee" in capsys.readouterr().err
    assert head(team) == before


def test_digest_of_an_image_on_kubernetes_is_not_looked_up(team, draft, capsys):
    asked = ("--set", "environment=staging", "--set", f"image=sha256:{'e' * 64}")
    assert submit(team, draft, *asked, "--set", "budget.max_cost=50") == 0


def test_run_of_another_machine_is_said_with_the_way_to_train_it_here(team, files, draft, capsys):
    draft.write_bytes(files["experiments/good/experiment.yaml"])
    open_origin(team, State(team / ".ml-pipeline"))
    assert submit(team, draft, "--merge") == 0
    assert capsys.readouterr().out == (
        "good/31a4e76e1a: nothing to commit; good/31a4e76e1a is trained, but its model is not on this machine; "
        "`ml-pipeline rollback digits --env local` until no promotion names it, then `ml-pipeline withdraw good/31a4e76e1a` trains it here\n"
    )


def test_data_of_another_machine_is_said_with_the_way_to_prepare_it_here(team, draft, capsys):
    open_origin(team, State(team / ".ml-pipeline"))
    assert submit(team, draft, "--merge") == 0
    path = "experiments/better/data/216b187a78.yaml"
    assert capsys.readouterr().err == (
        f"data 216b187a78 of fresh is prepared, but it is not on this machine; `ml-pipeline withdraw {path}` prepares it here\n"
    )
