"""Both sides of a comparison, on real git."""

import re
import subprocess

import pytest
from ml_pipeline.adapters.git.revisions import Revisions, find_top, open_tree
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.rules.review.faults import checked_snapshot

from tests.conftest import git

PATH = "experiments/waiting/experiment.yaml"


def compared(team, base: str = "HEAD"):
    return Revisions(team).comparison(base)


def test_unchanged_tree_is_the_same_on_both_sides(team, files):
    found = compared(team)
    assert found.changed == frozenset()
    assert dict(found.before) == dict(found.after) == files


def test_edited_file_has_both_contents(team, files):
    (team / PATH).write_bytes(b"new\n")
    found = compared(team)
    assert found.changed == {PATH}
    assert (found.before[PATH], found.after[PATH]) == (files[PATH], b"new\n")


@pytest.mark.parametrize("staged", [False, True])
def test_new_file_is_on_one_side(team, staged):
    (team / "experiments/new").mkdir()
    (team / "experiments/new/experiment.yaml").write_bytes(b"x\n")
    if staged:
        git(team, "add", "--all")
    found = compared(team)
    assert found.changed == {"experiments/new/experiment.yaml"}
    assert "experiments/new/experiment.yaml" not in found.before
    assert found.after["experiments/new/experiment.yaml"] == b"x\n"


@pytest.mark.parametrize("staged", [False, True])
def test_file_that_is_gone_is_on_the_other(team, files, staged):
    (team / PATH).unlink()
    if staged:
        git(team, "add", "--all")
    found = compared(team)
    assert PATH not in found.after
    assert found.before[PATH] == files[PATH]


def test_renamed_file_is_gone_and_new(team):
    git(team, "mv", "experiments/waiting", "experiments/moved")
    assert compared(team).changed == {PATH, "experiments/moved/experiment.yaml"}


def test_file_that_git_ignores_does_not_count(team):
    (team / ".gitignore").write_text("*.tmp\n")
    (team / "experiments/x.tmp").write_text("x")
    assert compared(team).changed == frozenset()


def test_file_outside_the_roots_does_not_count(team):
    (team / "README.md").write_text("x")
    assert compared(team).changed == frozenset()


def test_committed_change_is_compared_with_an_older_revision(team, files):
    (team / PATH).write_bytes(b"new\n")
    git(team, "commit", "--quiet", "--all", "--message", "Edit")
    found = compared(team, "HEAD~1")
    assert (found.before[PATH], found.after[PATH]) == (files[PATH], b"new\n")


def test_disk_that_differs_from_what_git_has_does_not_count(team, files):
    (team / PATH).write_bytes(b"new\n")
    found = compared(team)
    other = "experiments/good/experiment.yaml"
    (team / other).write_bytes(b"after the comparison\n")
    assert found.before[other] == found.after[other] == files[other]
    assert found.after[PATH] == b"new\n"


def filtered(team):
    git(team, "config", "filter.other.smudge", "sed s/seed:/SEED:/")
    git(team, "config", "filter.other.clean", "sed s/SEED:/seed:/")
    return "filter=other"


def encoded(_):
    return "working-tree-encoding=UTF-16"


def carriage_returns(_):
    return "text eol=crlf"


@pytest.mark.parametrize("convert", [filtered, encoded, carriage_returns])
def test_clean_checkout_is_read_as_flux_reads_it_whatever_it_was_made_into(team, files, convert):
    (team / ".git/info/attributes").write_text(f"*.yaml {convert(team)}\n")
    for path in git(team, "ls-files", "experiments").splitlines():
        (team / path).unlink()
    git(team, "checkout", "--", "experiments")
    assert git(team, "status", "--porcelain") == ""
    assert (team / PATH).read_bytes() != files[PATH]
    assert dict(open_tree(team)) == files


def link(team):
    (team / PATH).unlink()
    (team / PATH).symlink_to("../good/experiment.yaml")
    return "is a symbolic link, which Flux leaves out; replace it by the file"


def executable(team):
    (team / PATH).chmod(0o755)
    return "is executable; take that away with `git update-index --chmod=-x`"


def inner_repository(team):
    git(team, "rm", "--quiet", PATH)
    git(team, "init", "--quiet", PATH)
    git(team / PATH, "commit", "--quiet", "--allow-empty", "--message", "Inner")
    return "is a submodule, which Flux leaves out; replace it by its files"


def renamed(team, name: str):
    git(team, "mv", PATH, f"experiments/waiting/{name}")
    return "the name holds what is not printable UTF-8; rename the file"


def line_in_a_name(team):
    return renamed(team, "experiment\n.yaml")


def turned_around_name(team):
    return renamed(team, "\u202elmay.tnemirepxe")


@pytest.mark.parametrize("commit", [False, True], ids=["uncommitted", "committed"])
@pytest.mark.parametrize(
    "make", [link, executable, inner_repository, line_in_a_name, turned_around_name]
)
def test_what_is_no_plain_file_is_refused_by_every_reading(team, make, commit):
    text = make(team)
    if commit:
        git(team, "add", "--all")
        git(team, "commit", "--quiet", "--message", "Spoil")
    revisions = Revisions(team)
    readings = [lambda: open_tree(team), lambda: revisions.comparison("HEAD")]
    if commit:
        readings += [
            lambda: revisions.comparison("HEAD~1"),
            lambda: checked_snapshot(revisions.read("HEAD")),
        ]
    for read in readings:
        with pytest.raises(InvalidDocumentsError, match=re.escape(text)) as error:
            read()
        assert len(str(error.value).splitlines()) == 1


def test_base_with_a_link_can_be_compared_with_so_that_it_can_be_repaired(team, files):
    link(team)
    git(team, "commit", "--quiet", "--all", "--message", "Spoil")
    (team / PATH).unlink()
    (team / PATH).write_bytes(files[PATH])
    found = compared(team)
    assert found.before[PATH] == b"../good/experiment.yaml"
    assert found.after[PATH] == files[PATH]


def test_folder_without_git_is_read_from_the_disk(tmp_path):
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments/x").write_bytes(b"1")
    assert dict(open_tree(tmp_path)) == {"environments/x": b"1"}


@pytest.mark.parametrize("staged", [False, True])
def test_clone_without_a_commit_is_read(tmp_path, staged):
    git(tmp_path, "init", "--quiet")
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments/x").write_bytes(b"1")
    if staged:
        git(tmp_path, "add", "--all")
    assert dict(open_tree(tmp_path)) == {"environments/x": b"1"}


def test_merge_that_is_not_ended_is_read_from_the_disk(team):
    git(team, "checkout", "--quiet", "-b", "topic")
    (team / PATH).write_bytes(b"mine\n")
    git(team, "commit", "--quiet", "--all", "--message", "Mine")
    git(team, "checkout", "--quiet", "main")
    (team / PATH).write_bytes(b"theirs\n")
    git(team, "commit", "--quiet", "--all", "--message", "Theirs")
    with pytest.raises(subprocess.CalledProcessError):
        git(team, "merge", "topic")
    for files in (open_tree(team), compared(team).after):
        assert files[PATH].startswith(b"<<<<<<< ")


@pytest.mark.parametrize("staged", [False, True])
def test_working_tree_is_what_would_be_committed(team, files, staged):
    (team / PATH).write_bytes(b"new\n")
    (team / "experiments/x").write_bytes(b"1")
    (team / "experiments/good/experiment.yaml").unlink()
    if staged:
        git(team, "add", "--all")
    wanted = {**files, PATH: b"new\n", "experiments/x": b"1"}
    del wanted["experiments/good/experiment.yaml"]
    assert dict(open_tree(team)) == dict(compared(team).after) == wanted


def test_folder_that_is_no_checkout_is_named(tmp_path):
    with pytest.raises(PipelineError, match="holds no environments/"):
        open_tree(tmp_path)


def test_content_that_a_path_had_before_is_known_wherever_it_went(team, files):
    (team / PATH).write_bytes(b"new\n")
    git(team, "commit", "--quiet", "--all", "--message", "Edit")
    git(team, "rm", "--quiet", PATH)
    git(team, "commit", "--quiet", "--message", "Remove")
    revisions = Revisions(team)
    assert revisions.restored("HEAD", {PATH: files[PATH]}) == {PATH}
    assert revisions.restored("HEAD", {PATH: b"new\n", "gone": b"x"}) == {PATH}
    assert revisions.restored("HEAD", {PATH: b"another\n"}) == frozenset()
    assert revisions.restored("HEAD", {}) == frozenset()


def test_fork_point_is_where_the_branch_was_left(team):
    start = git(team, "rev-parse", "HEAD")
    git(team, "checkout", "--quiet", "-b", "topic")
    git(team, "commit", "--quiet", "--allow-empty", "--message", "Mine")
    git(team, "checkout", "--quiet", "main")
    git(team, "commit", "--quiet", "--allow-empty", "--message", "Theirs")
    git(team, "checkout", "--quiet", "topic")
    assert Revisions(team).fork_point("main") == start


def test_merge_commit_is_compared_with_the_branch_that_it_goes_into(team):
    git(team, "checkout", "--quiet", "-b", "topic")
    git(team, "commit", "--quiet", "--allow-empty", "--message", "Mine")
    git(team, "checkout", "--quiet", "main")
    git(team, "commit", "--quiet", "--allow-empty", "--message", "Theirs")
    theirs = git(team, "rev-parse", "HEAD")
    git(team, "checkout", "--quiet", "--detach")
    git(team, "merge", "--quiet", "--no-ff", "--message", "Merge", "topic")
    assert Revisions(team).fork_point("main") == theirs


def test_folder_below_the_top_finds_the_repository(team):
    assert Revisions(team / "experiments").path == team


def test_bare_repository_can_be_read(team, files):
    bare = Revisions(team.parent / "origin.git")
    assert bare.read(bare.revision("main")) == files


def test_folder_without_git_is_named(tmp_path):
    with pytest.raises(
        PipelineError, match="is not in a git repository; run the command in a clone"
    ):
        Revisions(tmp_path)


@pytest.mark.parametrize("name", ["gone", "--help", "", "main^{tree}", "HEAD~99"])
def test_unknown_revision_is_named(team, name):
    with pytest.raises(PipelineError, match="is not a revision of this repository"):
        Revisions(team).revision(name)


def test_many_blobs_are_read_in_one_go(team, files):
    revisions = Revisions(team)
    listed = revisions.listing("HEAD", ["experiments"])
    assert revisions.blobs([blob for blob, _ in listed.values()]) == [
        files[path] for path in listed
    ]
    assert revisions.blobs([]) == []


def test_files_of_several_revisions_come_in_one_go(team):
    git(team, "commit", "--quiet", "--allow-empty", "--message", "Again")
    names = ["HEAD:requirements.lock", "HEAD:gone.yaml", "HEAD~1:requirements.lock"]
    assert Revisions(team).contents(names) == [b"torch==2.13.0\n", None, b"torch==2.13.0\n"]
    assert Revisions(team).contents([]) == []


@pytest.mark.parametrize("below", ["experiments/good/runs", "base", ".ml-pipeline/pods/x", ""])
def test_top_is_found_from_any_folder(team, below):
    (team / below).mkdir(parents=True, exist_ok=True)
    assert find_top(team / below) == team


def test_top_of_a_worktree_is_its_own(team, tmp_path):
    git(team, "worktree", "add", "--quiet", "--detach", str(tmp_path / "tree"))
    assert find_top(tmp_path / "tree/experiments/good") == tmp_path / "tree"


def test_tree_without_git_has_a_top_too(tmp_path):
    (tmp_path / "environments").mkdir()
    (tmp_path / "experiments/a").mkdir(parents=True)
    assert find_top(tmp_path / "experiments/a") == tmp_path


def test_bare_repository_below_a_clone_is_its_own_top(team):
    git(team, "init", "--quiet", "--bare", ".ml-pipeline/origin.git")
    assert find_top(team / ".ml-pipeline/origin.git") == team / ".ml-pipeline/origin.git"


def test_folder_of_no_checkout_is_left_as_it_is(tmp_path):
    assert find_top(tmp_path) == tmp_path


def test_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(
        PipelineError, match="gone is no folder; give --repo a folder of a checkout"
    ):
        find_top(tmp_path / "gone")


@pytest.mark.parametrize(
    ("path", "differs"), [("scripts/a.py", True), ("requirements.lock", True), ("README.md", False)]
)
def test_comparison_says_whether_the_code_differs(team, path, differs):
    (team / path).parent.mkdir(exist_ok=True)
    (team / path).write_text("other\n")
    git(team, "add", "--all")
    revisions = Revisions(team)
    assert revisions.comparison(revisions.revision("HEAD")).code_differs is differs
