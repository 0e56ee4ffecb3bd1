import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ml_pipeline.adapters import processes
from ml_pipeline.environments.embedded.state import read_json

from tests.conftest import until

SLEEP_WITH_CHILD = "import subprocess, sys; subprocess.run(['sleep', '60'])"


@pytest.fixture
def start(tmp_path):
    started = []

    def run(*command: str, parent: int | None = None, **spec):
        whole = {
            "command": command,
            "env": dict(os.environ),
            "cwd": str(tmp_path),
            "parent": parent or os.getpid(),
            "grace_seconds": 2,
            "memory_bytes": 0,
            "cpus": [0],
        }
        (tmp_path / "spec.json").write_text(json.dumps({**whole, **spec}))
        shim = subprocess.Popen(
            [sys.executable, "-m", "ml_pipeline.environments.embedded.shim", str(tmp_path)],
            stderr=subprocess.DEVNULL,
        )
        started.append(shim)
        return shim

    yield run
    for shim in started:
        processes.send(processes.descendants(shim.pid), signal.SIGKILL)
        shim.kill()
        shim.wait()


def running(folder):
    status = read_json(folder / "status.json")
    return status if status and status.get("pid") else None


def ended(folder, shim) -> tuple[int, str]:
    shim.wait(20)
    status = read_json(folder / "status.json")
    assert status["phase"] == "Ended"
    return status["exit_code"], status["reason"]


def test_shim_is_hardly_larger_than_python_itself(tmp_path, start):
    """There is one for each container: 11 MiB, and 37 with the package's documents in it."""
    shim = start("sleep", "60")
    until(lambda: running(tmp_path))
    (line,) = re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{shim.pid}/status").read_text())
    assert int(line) < 20 * 1024


@pytest.mark.parametrize(("code", "reason"), [(0, "Completed"), (3, "Error"), (42, "Error")])
def test_exit_code_is_recorded(tmp_path, start, code, reason):
    assert ended(tmp_path, start(sys.executable, "-c", f"raise SystemExit({code})")) == (
        code,
        reason,
    )


def test_missing_program_is_code_127(tmp_path, start):
    assert ended(tmp_path, start("no-such-program"))[0] == 127


def test_killed_container_has_code_137(tmp_path, start):
    shim = start("sleep", "60")
    os.kill(until(lambda: running(tmp_path))["pid"], signal.SIGKILL)
    assert ended(tmp_path, shim) == (137, "Error")


def test_stop_asks_first(tmp_path, start):
    script = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(143)); open('ready', 'w'); time.sleep(60)"
    shim = start(sys.executable, "-c", script)
    until((tmp_path / "ready").exists)
    shim.terminate()
    assert ended(tmp_path, shim)[0] == 143


def test_stop_kills_what_does_not_listen(tmp_path, start):
    script = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open('ready', 'w'); time.sleep(60)"
    shim = start(sys.executable, "-c", script, grace_seconds=0.2)
    until((tmp_path / "ready").exists)
    shim.terminate()
    assert ended(tmp_path, shim)[0] == 137


def test_memory_over_the_limit_is_stopped_and_named(tmp_path, start):
    shim = start(
        sys.executable,
        "-c",
        "import time; x = b'1' * 200_000_000; time.sleep(60)",
        memory_bytes=100 * 2**20,
    )
    assert ended(tmp_path, shim) == (137, "OOMKilled")
    assert read_json(tmp_path / "status.json")["peak_bytes"] > 100 * 2**20


def test_memory_of_the_whole_tree_counts(tmp_path, start):
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', \"import time; x = b'1' * 200_000_000; time.sleep(60)\"])"
    assert (
        ended(tmp_path, start(sys.executable, "-c", script, memory_bytes=100 * 2**20))[1]
        == "OOMKilled"
    )


def test_grandchildren_end_with_the_container(tmp_path, start):
    shim = start(
        sys.executable,
        "-c",
        "import subprocess; subprocess.Popen(['sleep', '61'], start_new_session=True)",
    )
    ended(tmp_path, shim)
    assert processes.descendants(shim.pid) == []


def test_tree_ends_when_the_environment_is_killed(tmp_path, start):
    """The parent of the shim dies by SIGKILL; nothing of the tree survives."""
    launcher = (
        "import json, os, subprocess, sys, pathlib, time\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "spec = json.loads((folder / 'spec.json').read_text()); spec['parent'] = os.getpid()\n"
        "(folder / 'spec.json').write_text(json.dumps(spec))\n"
        "subprocess.Popen([sys.executable, '-m', 'ml_pipeline.environments.embedded.shim', str(folder)]); time.sleep(60)\n"
    )
    spec = {
        "command": [sys.executable, "-c", SLEEP_WITH_CHILD],
        "env": dict(os.environ),
        "cwd": str(tmp_path),
        "parent": 0,
        "grace_seconds": 2,
        "memory_bytes": 0,
        "cpus": [0],
    }
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    parent = subprocess.Popen([sys.executable, "-c", launcher, str(tmp_path)])
    pids = until(lambda: len(found := processes.descendants(parent.pid)) >= 3 and found)
    parent.kill()
    parent.wait()
    until(lambda: not any(processes.is_alive(pid) for pid in pids))


def test_container_does_not_start_without_its_environment(tmp_path, start):
    shim = start("sleep", "60", parent=1)
    assert shim.wait(20) == 1


def test_cpus_are_limited(tmp_path, start):
    core = min(os.sched_getaffinity(0))
    ended(
        tmp_path,
        start(
            sys.executable,
            "-c",
            "import os; open('cpus', 'w').write(str(os.sched_getaffinity(0)))",
            cpus=[core],
        ),
    )
    assert (tmp_path / "cpus").read_text() == str({core})
