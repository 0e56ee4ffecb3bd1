import os
import stat
import subprocess
import sys

import pytest
from ml_pipeline.adapters.files import write_whole
from ml_pipeline.environments.embedded import privacy
from ml_pipeline.environments.embedded.privacy import make_private, private_files
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.operations.up import open_origin

from tests.conftest import git


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=["000", "022", "077"])
def umask(request):
    """What files of somebody are like who has set this umask, also those that others write."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def open_to_others(root) -> list[str]:
    """What of a folder, itself included, somebody else may read, write or enter."""
    found = [root, *root.rglob("*")]
    return sorted(
        f"{path.relative_to(root)} {stat.S_IMODE(path.lstat().st_mode):o}"
        for path in found
        if not path.is_symlink() and path.lstat().st_mode & 0o077
    )


def test_git_server_is_its_owners_alone(team, umask):
    state = State(team / ".ml-pipeline")
    with private_files():
        open_origin(team, state)
    assert open_to_others(state.root) == []


def test_what_is_pushed_is_the_owners_alone_whatever_the_umask_of_whoever_pushes(team, umask):
    state = State(team / ".ml-pipeline")
    with private_files():
        open_origin(team, state)
    (team / "notes.txt").write_text("x")
    git(team, "add", "--all")
    git(team, "commit", "--quiet", "--message", "More")
    git(team, "push", "--quiet", "local", "HEAD:main", "HEAD:refs/heads/a/branch")
    assert git(state.origin, "rev-parse", "main") == git(team, "rev-parse", "HEAD")
    assert open_to_others(state.origin) == []


def test_state_of_an_older_version_is_mended_and_works(team, umask):
    state = State(team / ".ml-pipeline")
    open_origin(team, state)
    os.umask(0)
    write_whole(state.root / "jobs/a.json", b"{}")
    (state.root / "volumes/artifacts/models").mkdir(parents=True)
    (state.root / "volumes/artifacts/models/run.sh").touch(0o755)
    git(state.origin, "config", "--unset", "core.sharedRepository")
    for path in [state.root, *state.root.rglob("*")]:
        path.chmod(path.stat().st_mode | 0o055)
    make_private(state.root)
    assert open_to_others(state.root) == []
    assert os.access(state.root / "volumes/artifacts/models/run.sh", os.X_OK)
    with private_files():
        open_origin(team, state)
    assert git(state.origin, "config", "core.sharedRepository") == "0600"
    assert git(state.origin, "fsck") == ""


def test_links_are_not_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    outside.chmod(0o755)
    (outside / "file").chmod(0o644)
    state = tmp_path / "state"
    state.mkdir()
    (state / "folder").symlink_to(outside)
    (state / "file").symlink_to(outside / "file")
    (state / "nowhere").symlink_to(tmp_path / "nowhere")
    make_private(state)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (outside, outside / "file")]
    assert modes == [0o755, 0o644]


def test_mending_twice_changes_nothing(tmp_path):
    write_whole(tmp_path / "state/jobs/a.json", b"{}")
    make_private(tmp_path / "state")
    before = (tmp_path / "state/jobs/a.json").stat().st_ctime_ns
    make_private(tmp_path / "state")
    assert (tmp_path / "state/jobs/a.json").stat().st_ctime_ns == before


def test_children_inherit_what_is_private(tmp_path, umask):
    code = "open('a', 'w'); import os; os.makedirs('b/c'); os.system('echo x > b/c/d')"
    with private_files():
        make_private(tmp_path / "state")
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path / "state", check=True)
    assert open_to_others(tmp_path / "state") == []
    assert os.umask(umask) == umask


def test_files_of_a_working_tree_follow_the_umask(tmp_path, umask):
    write_whole(tmp_path / "experiment.yaml", b"x")
    mode = stat.S_IMODE((tmp_path / "experiment.yaml").stat().st_mode)
    assert mode == 0o644 & ~umask


def test_folder_that_goes_meanwhile_is_passed_over(tmp_path, monkeypatch):
    """The environment that runs takes the folders of its pods away."""
    (tmp_path / "pods/a").mkdir(parents=True)
    before = privacy._take_from_others

    def gone(entry):
        before(entry)
        if entry.name == "a":
            os.rmdir(entry.path)

    monkeypatch.setattr(privacy, "_take_from_others", gone)
    make_private(tmp_path)
    assert not (tmp_path / "pods/a").exists()
