import pytest
from ml_pipeline.adapters.git.repository import AUTOMATION, Repository
from ml_pipeline.documents.changes import Changes

from tests.conftest import git


@pytest.fixture
def repository(team) -> Repository:
    found = Repository(team)
    found.fetch()
    return found


@pytest.mark.parametrize("when", ["2026-01-01T00:00:00Z", "2020-01-01T00:00:00Z", None])
def test_newest_commit_of_every_file_is_known_from_one_walk(team, repository, monkeypatch, when):
    """Also where commits are of one second, or of a clock that is years behind."""
    if when:
        monkeypatch.setenv("GIT_COMMITTER_DATE", when)
    (team / "experiments/good/experiment.yaml").write_text("x: 1\n")
    git(team, "commit", "--quiet", "--all", "--message", "Strange \x1f\x01 subject")
    git(team, "commit", "--quiet", "--allow-empty", "--message", "Nothing")
    first = git(team, "rev-parse", "HEAD")
    git(team, "checkout", "--quiet", "-b", "side", "HEAD~2")
    (team / "experiments/side.yaml").write_text("y: 1\n")
    git(team, "add", "--all")
    git(team, "commit", "--quiet", "--message", "Side")
    git(team, "merge", "--quiet", "--no-ff", "--message", "Merge", first)
    found = repository.last_changes("HEAD", ["experiments"])
    assert found.keys() == repository.listing("HEAD", ["experiments"]).keys()
    for path, commit in found.items():
        assert commit.sha == git(team, "log", "-1", "--format=%H", "--", path), path
    new = repository.last_changes("HEAD", ["experiments"], "HEAD~1")
    assert set(new) == {"experiments/good/experiment.yaml"}


def test_contents_are_those_of_the_branch_however_commits_came_to_it(tmp_path):
    """A push, a merge commit, a squash and a removal: what the branch held, in that order."""
    git(tmp_path, "init", "--quiet", "--initial-branch=main")

    def write(text: str) -> None:
        (tmp_path / "a.yaml").write_text(text)
        git(tmp_path, "add", "--all")
        git(tmp_path, "commit", "--quiet", "--message", f"Say {text}")

    write("one")
    git(tmp_path, "checkout", "--quiet", "-b", "side")
    write("draft")
    write("two")
    git(tmp_path, "checkout", "--quiet", "main")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "Something else")
    git(tmp_path, "merge", "--quiet", "--no-ff", "--message", "Merge side", "side")
    git(tmp_path, "checkout", "--quiet", "-b", "squashed")
    write("draft again")
    write("three")
    git(tmp_path, "checkout", "--quiet", "main")
    git(tmp_path, "merge", "--quiet", "--squash", "squashed")
    git(tmp_path, "commit", "--quiet", "--message", "Squash")
    git(tmp_path, "rm", "--quiet", "a.yaml")
    git(tmp_path, "commit", "--quiet", "--message", "Take it away")
    found = Repository(tmp_path).versions("a.yaml", "main")
    assert [(content.subject, content.body) for content in found] == [
        ("Say one", b"one"),
        ("Merge side", b"two"),
        ("Squash", b"three"),
        ("Take it away", None),
    ]


def test_file_that_never_was_has_no_contents(tmp_path):
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "Begin")
    assert Repository(tmp_path).versions("a.yaml", "main") == []


def test_names_and_subjects_may_hold_any_character(team, repository, monkeypatch):
    monkeypatch.setenv("GIT_AUTHOR_NAME", "a\x1fb\x1ec")
    (team / "f").write_text("1\n")
    git(team, "add", "f")
    odd = "s\x0bx\x1f\x1e\x85 \u2028 end"
    git(team, "commit", "--quiet", "-m", odd)
    (commit,) = repository.log(["f"], "HEAD")
    assert (commit.author, commit.subject) == ("a\x1fb\x1ec", odd)
    (version,) = repository.versions("f", "HEAD")
    assert (version.subject, version.body) == (odd, b"1\n")


def test_a_subject_that_is_not_text_is_read(team, repository):
    message = team.parent / "message"
    message.write_bytes(b"not \xff text")
    git(team, "commit", "--quiet", "--allow-empty", "-F", str(message))
    assert repository.log([], "HEAD", "-1")[0].subject.startswith("not ")


def test_a_name_may_begin_with_a_line_break(repository):
    names = {"\na": b"1", "experiments/\n\nb": b"2", "\n\nc": b"3"}
    parent = repository.revision("origin/main")
    revision = repository.commit(parent, Changes(names, frozenset()), "Add", AUTOMATION)
    found = repository.last_changes(revision, ["."], parent)
    assert found.keys() == names.keys()
