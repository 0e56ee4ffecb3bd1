from concurrent.futures import ThreadPoolExecutor

import pytest
from ml_pipeline.adapters.git.repository import AUTOMATION, Repository
from ml_pipeline.documents.changes import Changes
from ml_pipeline.documents.faults import ConflictError, PipelineError
from ml_pipeline.documents.reader import read
from ml_pipeline.documents.source import Special
from ml_pipeline.rules.review.plain_files import special

from tests.conftest import git


@pytest.fixture
def repository(team) -> Repository:
    found = Repository(team)
    found.fetch()
    return found


def test_revision_is_read_without_a_checkout(team, repository, files):
    git(team, "rm", "-rq", "experiments")
    assert repository.read("origin/main") == files


def test_commit_touches_no_working_tree(team, repository):
    head = repository.revision("origin/main")
    revision = repository.commit(
        head,
        Changes({"a/b.yaml": b"x\n"}, frozenset({"experiments/good/experiment.yaml"})),
        "Change\n\nBecause.",
        AUTOMATION,
    )
    assert git(team, "status", "--porcelain") == ""
    assert git(team, "show", f"{revision}:a/b.yaml") == "x"
    assert "experiments/good/experiment.yaml" not in repository.read(revision)


def test_automation_signs_its_commits(team, repository):
    revision = repository.commit(
        repository.revision("origin/main"), Changes({"a": b"1"}), "Change", AUTOMATION
    )
    assert git(team, "log", "-1", "--format=%an", revision) == "ml-pipeline"


def test_push_moves_the_branch(team, repository):
    head = repository.revision("origin/main")
    revision = repository.commit(head, Changes({"a": b"1"}), "Change")
    repository.push(revision, head)
    assert repository.fetch() == revision


def test_push_loses_when_the_branch_has_moved(repository):
    head = repository.revision("origin/main")
    first, second = (repository.commit(head, Changes({"a": raw}), "Change") for raw in (b"1", b"2"))
    repository.push(first, head)
    with pytest.raises(ConflictError):
        repository.push(second, head)
    assert repository.fetch() == first


def test_proposals_at_once_lose_nothing(team, repository):
    def propose(number: int) -> str | None:
        return Repository(team).propose(lambda _: (Changes({f"n{number}": b"1"}), f"Add {number}"))

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(propose, range(6)))
    assert set(repository.listing(repository.fetch(), [f"n{n}" for n in range(6)])) == {
        f"n{n}" for n in range(6)
    }


def test_nothing_to_change_makes_no_commit(repository):
    assert repository.propose(lambda _: (Changes({}), "")) is None


def test_many_commits_are_made_at_once(team, repository):
    head = repository.revision("origin/main")
    strange = 'a/we"ird\n\\ name'
    last = repository.commit_all(
        head,
        [
            (Changes({strange: b"1", "a/b": b""}), "One\n\nBecause.\n"),
            (Changes({"a/c": b"x\n"}, frozenset({strange, "never/there"})), "Two"),
        ],
        AUTOMATION,
    )
    log = git(team, "log", "--format=%an %cn: %s", f"{head}..{last}").splitlines()
    assert log == ["ml-pipeline ml-pipeline: Two", "ml-pipeline ml-pipeline: One"]
    assert repository.read(f"{last}~1", ["a"]) == {strange: b"1", "a/b": b""}
    assert repository.read(last, ["a"]) == {"a/b": b"", "a/c": b"x\n"}
    assert git(team, "for-each-ref", "refs/ml-pipeline") == ""


def test_commit_without_an_author_is_that_of_whoever_uses_the_clone(team, repository):
    revision = repository.commit(
        repository.revision("origin/main"), Changes({"a": b"1"}), "Subject\n\nBody\n"
    )
    assert git(team, "log", "-1", "--format=%an <%ae>: %B", revision) == (
        "Ada <ada@example.com>: Subject\n\nBody"
    )


def test_difference_reads_only_what_has_changed(team, repository):
    old = repository.revision("HEAD")
    (team / "experiments/good/experiment.yaml").write_text("x: 1\n")
    git(team, "rm", "--quiet", "experiments/weak/experiment.yaml")
    git(team, "commit", "--quiet", "--all", "--message", "Change")
    assert repository.difference(old, "HEAD") == (
        {"experiments/good/experiment.yaml": b"x: 1\n"},
        {"experiments/weak/experiment.yaml"},
    )


@pytest.mark.parametrize("mode", ["120000", "160000", "100755"])
def test_what_is_no_plain_file_stands_there_for_no_reader(team, repository, mode):
    head = repository.revision("HEAD")
    good = "experiments/good/experiment.yaml"
    blob = head if mode == "160000" else repository.listing("HEAD", [good])[good][0]
    git(team, "update-index", "--add", "--cacheinfo", f"{mode},{blob},experiments/other")
    git(team, "commit", "--quiet", "--message", "Add what is no plain file")
    ((path, found),) = repository.difference(head, "HEAD")[0].items()
    assert (path, found) == ("experiments/other", special(mode, blob))
    assert isinstance(found, Special)
    assert found.text == special(mode, blob).text
    assert repository.read("HEAD") == {**repository.read(head), path: found}
    assert ("experiments/other" in repository.fetched("HEAD", ["experiments"])) == (
        mode == "100755"
    )


def test_unknown_revision_is_named(repository):
    with pytest.raises(PipelineError, match="'nowhere' is not a revision"):
        repository.revision("nowhere")


def test_folder_outside_git_is_named(tmp_path):
    with pytest.raises(PipelineError, match="not in a git repository"):
        Repository(tmp_path)


def test_unreachable_remote_is_named(repository):
    repository.remote = "nowhere"
    with pytest.raises(PipelineError, match="git fetch: .*nowhere"):
        repository.fetch()


def test_push_that_a_protected_branch_refuses_is_no_race(repository, tmp_path):
    """Trying again would not help; a branch that has moved is another matter."""
    hook = tmp_path / "origin.git/hooks/pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    head = repository.revision("origin/main")
    revision = repository.commit(head, Changes({"a": b"1"}), "Change")
    with pytest.raises(PipelineError, match=r"refuses the push to main \(pre-receive") as error:
        repository.push(revision, head)
    assert not isinstance(error.value, ConflictError)


def test_large_trees_and_odd_names_are_read(team, repository):
    parent = repository.revision("origin/main")
    small = {f"experiments/many/{number}": b"" for number in range(20_000)}
    odd = {"experiments/a\nb": b"1", f"experiments/{'x' * 255}": b"2", f"base/{'y/' * 1500}z": b"3"}
    large = {"experiments/large/experiment.yaml": b"a: b\n" * 2**21}
    revision = repository.commit(parent, Changes({**small, **odd, **large}), "Add", AUTOMATION)
    files = repository.read(revision)
    assert len(files) > 20_000
    assert {path: files[path] for path in odd} == odd
    (fault,) = read("experiments/large/experiment.yaml", files["experiments/large/experiment.yaml"])
    assert "has 10485760 bytes, at most 262144 are read" in str(fault)
