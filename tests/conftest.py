"""Real git in temporary folders, its own identity, no network but loopback; inputs are files of tests/fixtures."""

import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import settings
from ml_pipeline.adapters.kubernetes import Cluster
from ml_pipeline.cli import main
from ml_pipeline.documents.changes import applied
from ml_pipeline.documents.snapshot import Snapshot, load_snapshot
from ml_pipeline.rules.render.drift import drift

from tests.support.api_server import ApiServer, serve

REPOSITORY = Path(__file__).parents[1]
FIXTURES = Path(__file__).parent / "fixtures"

# A machine that is busy with something else takes its time for an example.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def _own_git_identity(monkeypatch):
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ada@example.com")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")


@pytest.fixture(autouse=True)
def _no_colours(monkeypatch):
    """Whatever the terminal, or the CI system, of whoever runs the tests asks for."""
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


def folder(path: Path, below: str = "") -> dict[str, bytes]:
    return {
        p.relative_to(path).as_posix(): p.read_bytes()
        for p in (path / below).rglob("*")
        if p.is_file()
    }


@pytest.fixture
def files() -> dict[str, bytes]:
    """A tree with every kind of document: two good runs, one promoted over the other, a weak, a broken, a waiting one."""
    return folder(FIXTURES / "valid") | folder(REPOSITORY, "base")


@pytest.fixture
def snapshot(files) -> Snapshot:
    return load_snapshot(files)


@pytest.fixture
def current(files) -> dict[str, bytes]:
    """The tree with its overlays."""
    return applied(files, drift(load_snapshot(files)))


def git(path: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=path, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def team(tmp_path, files) -> Path:
    """A clone of a bare repository `origin` that holds the tree, the trainer and the lock."""
    clone = tmp_path / "clone"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", "origin.git")
    git(tmp_path, "clone", "--quiet", "origin.git", "clone")
    git(clone, "checkout", "--quiet", "-b", "main")
    for path, content in {
        **files,
        **folder(REPOSITORY, "trainer"),
        "requirements.lock": b"torch==2.13.0\n",
    }.items():
        if "__pycache__" not in path:
            (clone / path).parent.mkdir(parents=True, exist_ok=True)
            (clone / path).write_bytes(content)
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--message", "Begin")
    git(clone, "push", "--quiet", "origin", "main")
    return clone


@pytest.fixture
def rendered_team(team) -> Path:
    """The team with its overlays rendered and pushed."""
    main(["render", "--repo", str(team)])
    git(team, "add", "--all")
    git(team, "commit", "--quiet", "--message", "Render")
    git(team, "push", "--quiet", "origin", "main")
    return team


@pytest.fixture
def shipped(tmp_path) -> Path:
    """A clone of the tree as it ships."""
    clone = tmp_path / "clone"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", "origin.git")
    git(tmp_path, "clone", "--quiet", "origin.git", "clone")
    git(clone, "checkout", "--quiet", "-b", "main")
    for path in git(REPOSITORY, "ls-files").splitlines():
        (clone / path).parent.mkdir(parents=True, exist_ok=True)
        (clone / path).write_bytes((REPOSITORY / path).read_bytes())
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--message", "Begin")
    git(clone, "push", "--quiet", "origin", "main")
    return clone


@pytest.fixture
def say(capsys):
    """Prints a figure among the tests' dots."""

    def out(text: str) -> None:
        with capsys.disabled():
            print(f"\n{text}", end="")

    return out


@pytest.fixture
def api():
    """A stand-in for the API server."""
    found = ApiServer()
    server = serve(found)
    yield found
    server.shutdown()


@pytest.fixture
def cluster(api, tmp_path) -> Cluster:
    return Cluster(api.kubeconfig(tmp_path))


def until(probe, seconds: float = 20.0):
    end = time.monotonic() + seconds
    while not (found := probe()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found
