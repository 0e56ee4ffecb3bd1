import os
import subprocess
import sys

import pytest
from ml_pipeline.adapters.files import locked, read_plain, scanned, write_changes, write_whole
from ml_pipeline.documents.changes import Changes
from ml_pipeline.documents.faults import PipelineError


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "environments/local").mkdir(parents=True)
    (tmp_path / "environments/local/environment.yaml").write_bytes(b"x\n")
    return tmp_path


def test_one_process_holds_a_file_and_its_end_lets_the_next_one(tmp_path):
    hold = (
        "import sys, time; from pathlib import Path\n"
        "from ml_pipeline.adapters.files import locked\n"
        "with locked(Path(sys.argv[1]), print): print('held', flush=True); time.sleep(600)"
    )
    path = tmp_path / "lock"
    command = [sys.executable, "-c", hold, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        waited = []
        with locked(path, lambda: waited.append(other.kill())):
            assert len(waited) == 1


def test_what_is_started_meanwhile_does_not_hold_the_file(tmp_path):
    listing = "import os; print([os.path.realpath(f'/proc/self/fd/{n}') for n in range(64)])"
    with locked(tmp_path / "lock", pytest.fail):
        command = [sys.executable, "-c", listing]
        said = subprocess.run(command, capture_output=True, text=True, close_fds=False, check=True)
    assert str(tmp_path / "lock") not in said.stdout


def test_tree_is_read_by_path(tree):
    assert scanned(tree) == {"environments/local/environment.yaml": b"x\n"}


def linked_out(place):
    place.symlink_to("/etc/hostname")


def linked_inside(place):
    place.symlink_to("environment.yaml")


def executable(place):
    place.touch(0o755)


def pipe(place):
    os.mkfifo(place)


@pytest.mark.parametrize("make", [linked_out, linked_inside, executable, pipe])
def test_what_is_no_plain_file_is_refused_and_not_opened(tree, make):
    make(tree / "environments/local/other.yaml")
    with pytest.raises(PipelineError, match=r"^environments/local/other.yaml:1: is "):
        scanned(tree)


def test_link_is_not_followed(tmp_path):
    (tmp_path / "link").symlink_to("/etc/hostname")
    with pytest.raises(OSError, match="symbolic links"):
        read_plain(str(tmp_path / "link"))


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
