"""Streams as a real git reads them."""

import subprocess

import pytest
from ml_pipeline.adapters.git.commits import import_stream
from ml_pipeline.documents.changes import Changes

from tests.conftest import git

BRANCH = "refs/ml-pipeline/made"
SIGNATURES = ("author Ada <ada@example.com> 5 +0000", "committer Bot <bot@example.com> 6 +0100")


@pytest.fixture
def repo(tmp_path):
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    (tmp_path / "a").mkdir()
    (tmp_path / "a/b").write_bytes(b"begun\n")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "Begin")
    return tmp_path


def run(repo, stream: bytes) -> subprocess.CompletedProcess:
    command = ["git", "fast-import", "--quiet", "--date-format=raw"]
    return subprocess.run(command, cwd=repo, input=stream, capture_output=True)


def stream_of(repo, *drafts: tuple[Changes, str]) -> bytes:
    return import_stream(BRANCH, git(repo, "rev-parse", "HEAD"), drafts, SIGNATURES)


def commit(repo, *drafts: tuple[Changes, str]) -> str:
    """Id of the last commit, as the caller gets it."""
    done = run(repo, stream_of(repo, *drafts))
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode().strip()


def content(repo, revision: str, path: str) -> bytes:
    command = ["git", "cat-file", "blob", f"{revision}:{path}"]
    return subprocess.run(command, cwd=repo, check=True, capture_output=True).stdout


def paths(repo, revision: str) -> list[str]:
    return [
        path for path in git(repo, "ls-tree", "-rz", "--name-only", revision).split("\0") if path
    ]


def test_commit_stands_on_its_parent_with_its_words_and_signatures(repo):
    made = commit(repo, (Changes({"c": b"1"}), "Add c\n\nBecause.\n"))
    assert git(repo, "rev-parse", f"{made}^") == git(repo, "rev-parse", "HEAD")
    assert git(repo, "cat-file", "commit", made).splitlines()[2:] == [
        *SIGNATURES,
        "",
        "Add c",
        "",
        "Because.",
    ]


def test_rest_of_the_tree_stays(repo):
    made = commit(repo, (Changes({"c": b"1"}), "Add"))
    assert paths(repo, made) == ["a/b", "c"]
    assert content(repo, made, "a/b") == b"begun\n"


def test_commits_stand_on_each_other_and_the_last_is_named(repo):
    drafts = [(Changes({"c": str(number).encode()}), f"Step {number}") for number in range(3)]
    made = commit(repo, *drafts)
    subjects = git(repo, "log", "--format=%s", made).splitlines()
    assert subjects == ["Step 2", "Step 1", "Step 0", "Begin"]
    assert content(repo, made, "c") == b"2"


def test_branch_that_it_is_made_on_is_gone_after_it(repo):
    commit(repo, (Changes({"c": b"1"}), "Add"))
    assert git(repo, "for-each-ref", "--format=%(refname)") == "refs/heads/main"


def test_file_becomes_a_folder_and_a_folder_a_file(repo):
    one = (Changes({"a": b"file"}, frozenset({"a/b"})), "File")
    other = (Changes({"a/b/c": b"deep"}, frozenset({"a"})), "Folder")
    made = commit(repo, one, other)
    assert paths(repo, f"{made}^") == ["a"]
    assert paths(repo, made) == ["a/b/c"]


@pytest.mark.parametrize(
    "raw",
    [b"", b"\n", b"no line end", b"\x00\xff\r\n", b"done\n", b"data 5\nabcde\n", b"x" * 70_000],
)
def test_content_is_every_byte_of_it(repo, raw):
    """Whatever it holds, also what is a command of the stream."""
    made = commit(repo, (Changes({"c": raw, "d": b"after"}), "Add"))
    assert content(repo, made, "c") == raw
    assert content(repo, made, "d") == b"after"


@pytest.mark.parametrize(
    "path",
    [
        "with space",
        " begins with one",
        'with "quotes"',
        "back\\slash",
        "back\\nslash",
        "new\nline",
        "tab\there",
        "über/ü",
        "not-utf-8-\udcff",
        "\\",
        '"',
    ],
)
def test_path_is_every_character_of_it(repo, path):
    made = commit(repo, (Changes({path: b"1"}), "Add"))
    raw = subprocess.run(
        ["git", "ls-tree", "-rz", "--name-only", made], cwd=repo, check=True, capture_output=True
    ).stdout
    assert path.encode(errors="surrogateescape") in raw.split(b"\0")
    gone = run(
        repo, import_stream(BRANCH, made, [(Changes({}, frozenset({path})), "-")], SIGNATURES)
    )
    assert paths(repo, gone.stdout.decode().strip()) == ["a/b"]


def test_message_is_every_character_of_it(repo):
    message = "Ü\n\ndata 3\nfrom nobody\n"
    made = commit(repo, (Changes({"c": b"1"}), message), (Changes({"c": b"2"}), "Next"))
    assert git(repo, "cat-file", "commit", f"{made}^").endswith(message.strip())


def test_written_file_is_a_plain_one(repo):
    made = commit(repo, (Changes({"c": b"1"}), "Add"))
    assert git(repo, "ls-tree", made, "c").startswith("100644 blob ")


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
def test_stream_that_is_cut_off_makes_nothing(repo, share):
    """Whoever writes it may be killed."""
    drafts = [(Changes({"c": b"1" * 50}), "Add"), (Changes({"d": b"2" * 50}), "More")]
    stream = stream_of(repo, *drafts)
    assert run(repo, stream[: int(len(stream) * share)]).returncode != 0
    assert git(repo, "for-each-ref", "--format=%(refname)") == "refs/heads/main"
