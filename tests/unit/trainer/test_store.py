import functools
import hashlib
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from serving.__main__ import folder_sha256 as serving_folder_sha256
from trainer.config import DataError
from trainer.store import fetch, folder_sha256, put


def test_what_was_put_is_fetched(tmp_path):
    put(f"file://{tmp_path}/data/x.npz", b"rows")
    assert fetch(f"file://{tmp_path}/data/x.npz", hashlib.sha256(b"rows").hexdigest()) == b"rows"


def test_data_comes_over_http(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"rows")
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        assert (
            fetch(
                f"http://127.0.0.1:{server.server_port}/x.npz", hashlib.sha256(b"rows").hexdigest()
            )
            == b"rows"
        )
    finally:
        server.shutdown()


def test_changed_bytes_are_refused(tmp_path):
    put(f"file://{tmp_path}/x.npz", b"rows")
    with pytest.raises(DataError, match="the bytes have changed"):
        fetch(f"file://{tmp_path}/x.npz", "0" * 64)


def test_missing_data_is_named(tmp_path):
    with pytest.raises(DataError, match="is not there"):
        fetch(f"file://{tmp_path}/x.npz", "0" * 64)


@pytest.mark.parametrize("uri", ["file:///tmp", "gopher://x/y.npz"])
def test_address_of_no_file_is_named(uri):
    with pytest.raises(DataError, match=f"{uri}: is no file"):
        fetch(uri, "0" * 64)


def test_server_that_refuses_may_be_asked_again():
    class Refuses(SimpleHTTPRequestHandler):
        def do_GET(self):
            self.send_error(503)

        do_HEAD = do_GET

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refuses)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(ConnectionError, match="503"):
            fetch(f"http://127.0.0.1:{server.server_port}/x.npz", "0" * 64)
    finally:
        server.shutdown()
        server.server_close()
    with pytest.raises(ConnectionError, match="wait for its server"):
        fetch(f"http://127.0.0.1:{server.server_port}/x.npz", "0" * 64)


def test_trainer_and_serving_agree_on_the_digest_of_a_folder(tmp_path):
    put(f"file://{tmp_path}/model/data/weights", b"123")
    put(f"file://{tmp_path}/model/MLmodel", b"45")
    digest, size = folder_sha256(tmp_path / "model")
    assert size == 5
    assert digest == serving_folder_sha256(tmp_path / "model")


def test_folder_digest_is_that_of_sha256sum(tmp_path):
    for name in ("b.txt", "a/c.txt"):
        put(f"file://{tmp_path}/{name}", name.encode())
    command = "LC_ALL=C find . -type f | sed 's|^./||' | sort | xargs sha256sum"
    listing = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, check=True)
    assert folder_sha256(tmp_path)[0] == hashlib.sha256(listing.stdout).hexdigest()


def test_one_flipped_byte_changes_the_folder_digest(tmp_path):
    put(f"file://{tmp_path}/model", b"\x00\x01")
    before = folder_sha256(tmp_path)
    put(f"file://{tmp_path}/model", b"\x00\x00")
    assert folder_sha256(tmp_path) != before
