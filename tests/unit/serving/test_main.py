import os
import subprocess
import sys

import pytest

from serving.__main__ import folder_sha256
from tests.conftest import REPOSITORY


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights").write_bytes(b"\x00\x01\x02")
    return folder


def serve(model, sha256: str | None) -> subprocess.CompletedProcess:
    environ = {
        "PATH": os.environ["PATH"],
        "MLSERVER_MODEL_URI": str(model),
        **({"MODEL_SHA256": sha256} if sha256 else {}),
    }
    return subprocess.run(
        [sys.executable, "-m", "serving"],
        cwd=REPOSITORY,
        env=environ,
        capture_output=True,
        text=True,
    )


def test_one_flipped_byte_is_refused(model):
    declared = folder_sha256(model)
    (model / "weights").write_bytes(b"\x00\x01\x03")
    done = serve(model, declared)
    assert done.returncode == 42
    assert f"promoted was {declared}; restore the bytes" in done.stderr


def test_missing_digest_is_refused(model):
    assert serve(model, None).returncode == 42


def test_missing_model_is_refused(tmp_path):
    assert "no model at MLSERVER_MODEL_URI" in serve(tmp_path / "none", "0" * 64).stderr
