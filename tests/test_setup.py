"""Every file that is installed, by people, CI and images, is held to a digest of the lock."""

import os
import re
import shutil
import subprocess

import pytest

from tests.conftest import REPOSITORY

LOCKS = ("requirements.lock", "requirements-cpu.lock", "requirements-airflow.lock")
INSTALLERS = (
    "scripts/setup.sh",
    "Makefile",
    *(f"{n}/Dockerfile" for n in ("trainer", "serving", "scripts")),
)


def joined(path: str) -> list[str]:
    """Lines of a file, those that go on with a backslash as one."""
    return (REPOSITORY / path).read_text().replace("\\\n", " ").splitlines()


@pytest.mark.parametrize("path", LOCKS)
def test_every_package_has_a_version_and_digests_and_no_address(path):
    entries = [line for line in joined(path) if line.strip()]
    assert entries
    bad = [
        e
        for e in entries
        if not re.fullmatch(r"[a-z0-9.-]+==\S+( +--hash=sha256:[0-9a-f]{64})+", e)
    ]
    assert bad == []


@pytest.mark.parametrize("name", ["torch", "uv", "uv-build"])
def test_lock_names_what_installs_and_the_largest_file_of_all(name):
    entries = [line.split("==")[0] for line in joined("requirements.lock")]
    assert name in entries


def test_cpu_build_is_of_the_same_version():
    whole, cpu = (
        re.search(r"^torch==(\S+)", (REPOSITORY / p).read_text(), re.MULTILINE)[1]
        for p in ("requirements.lock", "requirements-cpu.lock")
    )
    assert cpu == f"{whole}+cpu"


@pytest.mark.parametrize("path", INSTALLERS)
def test_installers_take_nothing_without_its_digest(path):
    """The package itself is no file of an index: it is built without dependencies, by what the lock names."""
    commands = [
        line
        for line in joined(path)
        for line in line.split("&&")
        if "pip install" in line and not line.lstrip().startswith("#")
    ]
    own = ("--no-deps", "--no-build-isolation", "--editable .")
    loose = [c for c in commands if "--require-hashes" not in c and not all(o in c for o in own)]
    assert loose == []
    assert commands or path == "Makefile"


@pytest.fixture
def copy(tmp_path):
    """What setup needs, without anything installed; files come from this repository's cache where it has them."""
    for path in (*LOCKS, "pyproject.toml", "README.md"):
        shutil.copy(REPOSITORY / path, tmp_path / path)
    shutil.copytree(REPOSITORY / "scripts", tmp_path / "scripts")
    return tmp_path


def setup(copy) -> subprocess.CompletedProcess:
    environ = os.environ | {"PARTS": "checks", "UV_CACHE_DIR": str(REPOSITORY / ".cache/uv")}
    return subprocess.run([copy / "scripts/setup.sh"], env=environ, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("package", ["uv", "pydantic"])
def test_file_with_another_digest_is_refused_in_one_line(copy, package):
    lock = copy / "requirements.lock"
    entry = re.search(rf"^{package}==.*\n(?:    --hash.*\n)+", lock.read_text(), re.MULTILINE)[0]
    tampered = re.sub(r"sha256:.{8}", "sha256:00000000", entry)
    lock.write_text(lock.read_text().replace(entry, tampered))
    done = setup(copy)
    assert done.returncode == 1
    version = entry.split()[0]
    assert done.stderr.startswith(f"setup: {version} is not the file that requirements.lock names")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_package_without_a_digest_is_refused_in_one_line(copy):
    lock = copy / "requirements.lock"
    lock.write_text(
        re.sub(
            r"^typing-inspection==.*\n(    --hash.*\n)+", "", lock.read_text(), flags=re.MULTILINE
        )
    )
    done = setup(copy)
    assert (done.returncode, done.stderr) == (
        1,
        "setup: typing-inspection has no SHA-256 in requirements.lock; run make lock, and look at what it changes\n",
    )
