"""Files are read from the disk only where they are the very bytes that git has."""

import pytest
from ml_pipeline.adapters.git.objects import UNKNOWN, Objects
from ml_pipeline.adapters.git.revisions import Revisions

from tests.conftest import git

HELD = {"a.yaml": b"one\n", "b/c.yaml": b"two\n"}


@pytest.fixture
def repo(tmp_path):
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    for path, raw in HELD.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(raw)
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "Begin")
    return tmp_path


class Counted(Revisions):
    """Counts how often git is asked for contents."""

    asked = 0

    def contents_of(self, ids):
        self.asked += 1
        return super().contents_of(ids)


def objects(repo, *, more=None, **how) -> tuple[Objects, Counted]:
    revisions = Counted(repo)
    blobs = {path: git(repo, "rev-parse", f"HEAD:{path}") for path in HELD}
    return Objects(revisions, blobs | (more or {}), **how), revisions


def test_clean_checkout_is_read_without_asking_git(repo):
    files, revisions = objects(repo)
    assert dict(files) == HELD
    assert revisions.asked == 0


def test_without_the_disk_git_is_asked_once_for_all(repo):
    files, revisions = objects(repo, disk=False)
    assert dict(files) == HELD
    assert revisions.asked == 1


def edit(path):
    path.write_bytes(b"edited\n")


def fold(path):
    path.unlink()
    path.mkdir()


def link(path):
    path.unlink()
    path.symlink_to("b/c.yaml")


@pytest.mark.parametrize("change", [edit, fold, link, lambda path: path.unlink()])
def test_whatever_became_of_a_file_on_the_disk_git_s_bytes_count(repo, change):
    files, revisions = objects(repo)
    change(repo / "a.yaml")
    assert dict(files) == HELD
    assert revisions.asked == 1


def test_what_git_has_not_comes_from_the_disk(repo):
    (repo / "new.yaml").write_bytes(b"new\n")
    files, revisions = objects(repo, more={"new.yaml": UNKNOWN})
    assert files["new.yaml"] == b"new\n"
    assert revisions.asked == 0
    edit(repo / "a.yaml")
    assert dict(files) == {**HELD, "new.yaml": b"new\n"}


def test_new_file_that_has_gone_since_is_an_error(repo):
    files, _ = objects(repo, more={"gone.yaml": UNKNOWN})
    with pytest.raises(FileNotFoundError):
        files["gone.yaml"]


def test_what_is_known_is_not_read_again(repo):
    files, _ = objects(repo, kept={"a.yaml": b"known"})
    assert files["a.yaml"] == b"known"
    edit(repo / "b/c.yaml")
    assert dict(files) == {**HELD, "a.yaml": b"known"}


def test_names_are_in_their_order_and_need_no_file(repo):
    files, revisions = objects(repo, more={"a-first": UNKNOWN})
    assert list(files) == ["a-first", "a.yaml", "b/c.yaml"]
    assert len(files) == 3
    assert "a-first" in files
    assert "b" not in files
    assert revisions.asked == 0


def test_file_that_is_not_there_is_a_missing_key(repo):
    files, _ = objects(repo)
    with pytest.raises(KeyError):
        files["b"]
    assert files.get("z") is None
