import pytest
from ml_pipeline.adapters.files import open_tree, write_changes, write_whole
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.rules.render import Changes


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "environments/local").mkdir(parents=True)
    (tmp_path / "environments/local/environment.yaml").write_bytes(b"x\n")
    return tmp_path


def test_tree_is_read_by_path(tree):
    assert open_tree(tree) == {"environments/local/environment.yaml": b"x\n"}


def test_folder_that_is_no_checkout_is_named(tmp_path):
    with pytest.raises(PipelineError, match="holds no environments/"):
        open_tree(tmp_path)


def test_link_out_of_the_repository_is_refused(tree):
    (tree / "environments/local/secret.yaml").symlink_to("/etc/hostname")
    with pytest.raises(PipelineError, match="link out of the repository"):
        open_tree(tree)


def test_failed_write_leaves_the_old_content(tmp_path, monkeypatch):
    target = tmp_path / "file"
    write_whole(target, b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(target, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert target.read_bytes() == b"old"


def test_empty_folders_go_with_their_last_file(tree):
    write_changes(tree, Changes({"environments/a/b/c.yaml": b"1"}))
    write_changes(tree, Changes({}, frozenset({"environments/a/b/c.yaml"})))
    assert not (tree / "environments/a").exists()
