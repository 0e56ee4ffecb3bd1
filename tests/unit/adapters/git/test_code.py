import pytest
from ml_pipeline.adapters.git.code import digest_at, extract, revision_of
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.documents.faults import PipelineError

from tests.conftest import REPOSITORY, git


def change(team, path: str, content: str) -> None:
    (team / path).write_text(content)
    git(team, "add", "--all")
    git(team, "commit", "--quiet", "--message", "Change")


@pytest.mark.parametrize("path", ["trainer/config.py", "requirements.lock"])
def test_changed_code_or_lock_is_another_image(team, path):
    repository = Repository(team)
    before = digest_at(repository, "HEAD", "trainer")
    change(team, path, "changed")
    assert digest_at(repository, "HEAD", "trainer") != before


def test_other_changes_keep_the_image(team):
    repository = Repository(team)
    before = digest_at(repository, "HEAD", "trainer")
    change(team, "base/README.md", "changed")
    assert digest_at(repository, "HEAD", "trainer") == before


def test_old_code_is_found_after_the_tree_has_moved_on(team, tmp_path):
    repository = Repository(team)
    old = digest_at(repository, "HEAD", "trainer")
    change(team, "trainer/config.py", "changed")
    extract(
        repository, revision_of(repository, "HEAD", "trainer", old), "trainer", tmp_path / "image"
    )
    assert (tmp_path / "image/trainer/config.py").read_bytes() == (
        REPOSITORY / "trainer/config.py"
    ).read_bytes()


def test_unknown_digest_names_the_repair(team):
    with pytest.raises(PipelineError, match="fetch the whole history"):
        revision_of(Repository(team), "HEAD", "trainer", "sha256:" + "0" * 64)


def test_missing_folder_is_named(team):
    with pytest.raises(PipelineError, match="has no folder nothing/"):
        digest_at(Repository(team), "HEAD", "nothing")
