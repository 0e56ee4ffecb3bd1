"""`new`, `submit --merge`, `git pull` in one clone, in the states in which clones are; what else a person has stays."""

import pytest
from ml_pipeline.cli import main

from tests.conftest import git

PATH = "experiments/wider/experiment.yaml"


@pytest.fixture
def clone(rendered_team):
    """A clone in which `new` has written an experiment."""
    main(["new", "experiment", "wider", "--like", "waiting", "--repo", str(rendered_team)])
    path = rendered_team / PATH
    pinned = next(line for line in path.read_text().splitlines() if line.startswith("image: "))
    path.write_text(path.read_text().replace(pinned + "\n", ""))
    return rendered_team


def submit(clone, *options: str) -> None:
    assert main(["submit", "--repo", str(clone), str(clone / PATH), "--merge", *options]) == 0


def pull(clone) -> None:
    git(clone, "pull", "--quiet", "--no-rebase", "--no-edit", "origin", "main")
    committed = git(clone, "show", f"origin/main:{PATH}")
    assert (clone / PATH).read_text().rstrip("\n") == committed
    assert "image: " in committed


def test_pull_after_submitting_what_new_wrote(clone, capsys):
    submit(clone)
    assert "main of this clone is at" in capsys.readouterr().err
    assert git(clone, "status", "--porcelain") == ""
    assert git(clone, "rev-parse", "HEAD") == git(clone, "rev-parse", "origin/main")
    pull(clone)


def test_overlay_that_was_rendered_by_hand_is_no_obstacle(clone):
    submit(clone, "--set", "seed=100")
    git(clone, "reset", "--quiet", "--hard", "HEAD~1")
    main(["new", "experiment", "wider", "--like", "waiting", "--repo", str(clone)])
    pinned = git(clone, "show", f"origin/main:{PATH}")
    (clone / PATH).write_text(pinned + "\n")
    main(["render", "--repo", str(clone)])
    git(clone, "push", "--quiet", "--force", "origin", "HEAD:main")
    assert git(clone, "status", "--porcelain", "environments") != ""
    submit(clone)
    assert git(clone, "status", "--porcelain") == ""
    pull(clone)


def test_other_changes_of_the_person_stay(clone):
    (clone / "trainer/models.py").write_text("# mine\n")
    (clone / "experiments/good/experiment.yaml").open("a").write("# mine\n")
    (clone / "notes.md").write_text("mine\n")
    git(clone, "add", "trainer/models.py")
    before = git(clone, "status", "--porcelain", "--", ":!experiments/wider")
    submit(clone)
    assert git(clone, "status", "--porcelain") == before
    pull(clone)
    assert git(clone, "status", "--porcelain") == before


def test_branch_that_automation_has_moved_on_is_followed(clone, tmp_path):
    git(tmp_path, "clone", "--quiet", "origin.git", "other")
    (tmp_path / "other/README.md").write_text("new\n")
    git(tmp_path / "other", "add", "--all")
    git(tmp_path / "other", "commit", "--quiet", "--message", "Go on")
    git(tmp_path / "other", "push", "--quiet", "origin", "main")
    submit(clone)
    assert (clone / "README.md").exists()
    pull(clone)


def commit(clone, text: str) -> None:
    (clone / "notes.md").write_text(text)
    git(clone, "add", "notes.md")
    git(clone, "commit", "--quiet", "--message", text)


def test_clone_with_commits_of_its_own_lets_the_copy_go_and_pulls_it(clone, capsys):
    commit(clone, "mine")
    head = git(clone, "rev-parse", "HEAD")
    submit(clone)
    assert f"{PATH} went from this tree into the commit; `git pull origin main` brings it" in (
        capsys.readouterr().err
    )
    assert (git(clone, "rev-parse", "HEAD"), git(clone, "status", "--porcelain")) == (head, "")
    pull(clone)
    assert (clone / "notes.md").read_text() == "mine"


@pytest.mark.parametrize("state", [("-b", "mine"), ("--detach",)])
def test_other_branch_and_detached_head_stay_where_they_are(clone, state):
    git(clone, "checkout", "--quiet", *state)
    head = git(clone, "rev-parse", "HEAD")
    submit(clone)
    assert (git(clone, "rev-parse", "HEAD"), git(clone, "status", "--porcelain")) == (head, "")
    git(clone, "checkout", "--quiet", "main")
    pull(clone)


def test_other_branch_can_pull_too(clone):
    git(clone, "checkout", "--quiet", "-b", "mine")
    commit(clone, "mine")
    submit(clone)
    pull(clone)


def test_draft_that_is_staged_is_no_obstacle(clone):
    git(clone, "add", PATH)
    submit(clone)
    assert git(clone, "status", "--porcelain") == ""
    pull(clone)


def test_change_of_a_committed_experiment_is_no_obstacle(clone):
    submit(clone)
    (clone / PATH).write_text((clone / PATH).read_text().replace("seed: 7", "seed: 8  # again"))
    submit(clone)
    assert git(clone, "status", "--porcelain") == ""
    pull(clone)
    assert "seed: 8  # again" in (clone / PATH).read_text()


def test_settings_reach_the_tree_with_the_commit(clone):
    submit(clone, "--set", "seed=11")
    pull(clone)
    assert "seed: 11" in (clone / PATH).read_text()


def test_dirty_file_that_the_commit_changes_keeps_git_from_going_forward(clone, tmp_path):
    git(tmp_path, "clone", "--quiet", "origin.git", "other")
    path = "experiments/good/experiment.yaml"
    (tmp_path / "other" / path).open("a").write("# theirs\n")
    git(tmp_path / "other", "commit", "--quiet", "--all", "--message", "Comment")
    git(tmp_path / "other", "push", "--quiet", "origin", "main")
    (clone / path).open("a").write("# mine\n")
    head = git(clone, "rev-parse", "HEAD")
    submit(clone)
    assert git(clone, "rev-parse", "HEAD") == head
    assert (clone / path).read_text().endswith("# mine\n")
    assert git(clone, "status", "--porcelain") == f"M {path}"
    git(clone, "stash", "--quiet")
    pull(clone)


def test_tree_in_the_middle_of_a_merge_is_left_alone(clone):
    git(clone, "checkout", "--quiet", "-b", "side")
    commit(clone, "side")
    git(clone, "checkout", "--quiet", "main")
    git(clone, "merge", "--quiet", "--no-ff", "--no-commit", "side")
    head = git(clone, "rev-parse", "HEAD")
    submit(clone)
    assert git(clone, "rev-parse", "HEAD") == head
    assert git(clone, "status", "--porcelain").splitlines() == ["A  notes.md"]
    assert (clone / ".git/MERGE_HEAD").exists()


def test_draft_elsewhere_touches_no_tree(clone, tmp_path):
    draft = tmp_path / "draft.yaml"
    (clone / PATH).rename(draft)
    before, text = git(clone, "rev-parse", "HEAD"), draft.read_text()
    assert main(["submit", "--repo", str(clone), str(draft), "--merge"]) == 0
    assert (git(clone, "rev-parse", "HEAD"), draft.read_text()) == (before, text)
    assert git(clone, "status", "--porcelain") == ""


def test_copy_behind_a_link_is_not_followed(clone, tmp_path):
    outside = tmp_path / "outside"
    (clone / "experiments/wider").rename(outside)
    (clone / "experiments/wider").symlink_to(outside)
    before = (outside / "experiment.yaml").read_text()
    assert main(["submit", "--repo", str(clone), str(outside / "experiment.yaml"), "--merge"]) == 0
    assert (outside / "experiment.yaml").read_text() == before
