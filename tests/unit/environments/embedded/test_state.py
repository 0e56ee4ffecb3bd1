import errno
import socket

import pytest
from ml_pipeline.environments.embedded.state import (
    MARKER,
    DamagedStateError,
    State,
    free_port,
    read_json,
)


def test_files_are_replaced_and_dropped(tmp_path):
    state = State(tmp_path)
    state.write("jobs/a", {"phase": "Running"})
    assert (state.read("jobs/a"), state.names("jobs")) == ({"phase": "Running"}, ["a"])
    state.drop("jobs/a")
    assert (state.read("jobs/a"), state.names("jobs")) == (None, [])


def test_missing_file_is_none(tmp_path):
    assert read_json(tmp_path / "none.json") is None


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b"\0" * 9])
def test_file_that_is_no_json_is_named_with_the_repair(tmp_path, raw):
    path = tmp_path / "a file.json"
    path.write_bytes(raw)
    with pytest.raises(DamagedStateError) as error:
        read_json(path)
    assert str(error.value) == (
        f"{path}: is no JSON; remove it with `rm -f '{path}'`, and `ml-pipeline down` and "
        "`ml-pipeline up` go on without what it said"
    )


def test_processes_inherit_the_mark_and_little_else(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "x")
    environ = State(tmp_path).environ()
    assert environ[MARKER] == str(tmp_path)
    assert "SECRET" not in environ


def test_wanted_port_is_taken_if_it_is_free():
    port = free_port()
    assert free_port(port) == port


def test_port_in_use_gives_another():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) != port


def test_no_free_port_says_so(monkeypatch):
    class Taken(socket.socket):
        def bind(self, address):
            raise OSError(errno.EADDRINUSE, "Address already in use")

    monkeypatch.setattr(socket, "socket", Taken)
    with pytest.raises(OSError, match="no port is free") as error:
        free_port()
    assert error.value.errno == errno.EADDRINUSE
