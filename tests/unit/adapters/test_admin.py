import os
import socket
import stat
import threading
from pathlib import Path

import pytest
from ml_pipeline.adapters import admin
from ml_pipeline.adapters.http import NoAnswerError

from tests.support import predictors


@pytest.fixture
def listening():
    """Starts sockets in a folder, each of which answers each connection with the same bytes."""
    started = []

    def start(folder, answer: bytes):
        started.append(listen(folder, answer))
        return folder / "admin.sock"

    yield start
    for server, thread in started:
        predictors.end(server, thread)


def listen(folder, answer: bytes):
    server = socket.socket(socket.AF_UNIX)
    handle = os.open(folder, os.O_PATH)
    server.bind(f"/proc/self/fd/{handle}/admin.sock")
    os.close(handle)
    server.listen()

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return server, thread


def test_page_is_read_however_long_the_path_is(listening, tmp_path):
    folder = tmp_path / ("long-" * 40)
    folder.mkdir()
    path = listening(folder, predictors.reply(200, b"stats"))
    assert len(str(path)) > 108
    assert admin.get(path, "/stats", seconds=5) == "stats"


@pytest.mark.parametrize("answer", [predictors.reply(503), predictors.reply(404)])
def test_another_status_is_no_page(listening, tmp_path, answer):
    with pytest.raises(NoAnswerError, match="/stats is answered"):
        admin.get(listening(tmp_path, answer), "/stats", seconds=5)


def test_page_without_end_is_refused(listening, tmp_path, monkeypatch):
    monkeypatch.setattr(admin, "MAX_BYTES", 4)
    with pytest.raises(NoAnswerError, match="/stats has more than 4 bytes"):
        admin.get(listening(tmp_path, predictors.reply(200, b"stats")), "/stats", seconds=5)


def test_nonsense_is_no_page(listening, tmp_path):
    with pytest.raises(NoAnswerError):
        admin.get(listening(tmp_path, b"\x16\x03\x01 nonsense\r\n"), "/stats", seconds=5)


@pytest.mark.parametrize("place", ["admin.sock", "missing/admin.sock"])
def test_missing_socket_is_an_error(tmp_path, place):
    with pytest.raises(NoAnswerError, match="No such file"):
        admin.get(tmp_path / place, "/stats", seconds=5)


def test_envoys_admin_interface_is_a_socket_of_its_owner_alone(tmp_path):
    folder = tmp_path / ("long-" * 40)
    folder.mkdir()
    before = os.umask(0)
    try:
        with predictors.running_envoy(folder) as router:
            assert stat.S_IMODE(router.admin.stat().st_mode) == 0o600
            assert "envoy" in admin.get(router.admin, "/server_info", seconds=5)
            assert listeners_of(folder) == {router.port}
    finally:
        os.umask(before)


def listeners_of(folder) -> set[int]:
    """TCP ports on which the Envoy that runs in a folder listens, as the kernel lists them."""
    (pid,) = (p for p in os.listdir("/proc") if p.isdigit() and runs_in(p, folder))
    inodes = set()
    for handle in os.listdir(f"/proc/{pid}/fd"):
        inodes.add(os.readlink(f"/proc/{pid}/fd/{handle}"))
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {
        int(line[1].partition(":")[2], 16)
        for line in lines
        if line[3] == "0A" and f"socket:[{line[9]}]" in inodes
    }


def runs_in(pid: str, folder) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/cwd") == str(folder)
    except OSError:
        return False
