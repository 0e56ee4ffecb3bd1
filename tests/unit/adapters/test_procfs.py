import os
import signal
import subprocess
import sys
import time

from ml_pipeline.adapters import processes, procfs


def test_descendants_include_grandchildren():
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(30)'])"
    with subprocess.Popen([sys.executable, "-c", script]) as child:
        end = time.monotonic() + 10
        while len(procfs.descendants(child.pid)) < 1 and time.monotonic() < end:
            time.sleep(0.02)
        below = procfs.descendants(child.pid)
        assert child.pid in procfs.descendants(os.getpid())
        assert procfs.resident_bytes(below) > 2**20
        procfs.send([*below, child.pid], signal.SIGKILL)


def test_processes_are_found_by_their_mark(tmp_path):
    environ = {**os.environ, "MARK_OF_TEST": str(tmp_path)}
    child = processes.spawn(
        ["sleep", "30"], cwd=tmp_path, env=environ, log=tmp_path / "logs" / "sleep.log"
    )
    try:
        end = time.monotonic() + 10
        while (
            not (found := procfs.with_variable("MARK_OF_TEST", str(tmp_path)))
            and time.monotonic() < end
        ):
            time.sleep(0.02)
        assert found == [child.pid]
        assert procfs.is_alive(child.pid)
    finally:
        child.kill()
        child.wait()
    assert not procfs.is_alive(child.pid)


def test_gone_processes_are_passed_over():
    procfs.send([2**22 + 1], signal.SIGTERM)
    assert procfs.parent_of(2**22 + 1) is None
    assert procfs.resident_bytes([2**22 + 1]) == 0
