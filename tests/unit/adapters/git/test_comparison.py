"""Both sides of a comparison, on real git."""

import re
import subprocess

import pytest
from ml_pipeline.adapters.git.comparison import with_working_tree
from ml_pipeline.adapters.git.revisions import Revisions
from ml_pipeline.adapters.git.working_tree import open_tree
from ml_pipeline.documents.faults import InvalidDocumentsError
from ml_pipeline.rules.review.faults import checked_snapshot

from tests.conftest import git

PATH = "experiments/waiting/experiment.yaml"


def compared(team, base: str = "HEAD"):
    return with_working_tree(Revisions(team), base)


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
    readings = [lambda: open_tree(team), lambda: with_working_tree(revisions, "HEAD")]
    if commit:
        readings += [
            lambda: with_working_tree(revisions, "HEAD~1"),
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


@pytest.mark.parametrize(
    ("path", "differs"), [("scripts/a.py", True), ("requirements.lock", True), ("README.md", False)]
)
def test_comparison_says_whether_the_code_differs(team, path, differs):
    (team / path).parent.mkdir(exist_ok=True)
    (team / path).write_text("other\n")
    git(team, "add", "--all")
    revisions = Revisions(team)
    assert with_working_tree(revisions, revisions.revision("HEAD")).code_differs is differs
