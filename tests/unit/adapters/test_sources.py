"""Sources that are there, and servers and files that fail in each way."""

import hashlib
import os

import pytest
from ml_pipeline.adapters.sources import BLOCK_BYTES, read_source
from ml_pipeline.documents.faults import PipelineError, UnavailableError
from ml_pipeline.rules.automation.retraining import SourceState

from tests.support import predictors
from tests.support.api_server import JsonHandler, started


def test_content_of_a_file_is_its_digest_and_size(tmp_path):
    raw = os.urandom(2 * BLOCK_BYTES + 7)
    path = tmp_path / "sales.csv"
    path.write_bytes(raw)
    uri = f"file://{path}"
    assert read_source(uri) == SourceState(uri, hashlib.sha256(raw).hexdigest(), len(raw))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "is not there; correct the address"),
        (lambda path: path.mkdir(), "is no file that can be read"),
        (lambda path: path.touch(), "is empty; have its owner write it again"),
    ],
)
def test_file_that_holds_nothing_is_told_in_a_line(tmp_path, make, said):
    path = tmp_path / "sales.csv"
    make(path)
    with pytest.raises(PipelineError, match=said) as error:
        read_source(f"file://{path}")
    assert not isinstance(error.value, UnavailableError)
    assert str(error.value).isprintable()


def served(status: int, body: bytes):
    class Handler(JsonHandler):
        def do_GET(self):
            self.answer(status, body)

        do_HEAD = do_GET

    return started(Handler)


def test_content_comes_over_http_too():
    server = served(200, b"height,label\n1,cat\n")
    uri = f"http://127.0.0.1:{server.server_address[1]}/sales.csv"
    assert read_source(uri).bytes == 19
    server.shutdown()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, PipelineError),
        (410, PipelineError),
        (403, UnavailableError),
        (500, UnavailableError),
        (503, UnavailableError),
    ],
)
def test_source_that_is_gone_is_no_server_that_is_away(status, kind):
    server = served(status, b"X")
    with pytest.raises(PipelineError) as error:
        read_source(f"http://127.0.0.1:{server.server_address[1]}/sales.csv")
    server.shutdown()
    assert type(error.value) is kind
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    "behaviour", [predictors.resets, predictors.breaks_off, predictors.talks_nonsense]
)
def test_server_that_breaks_off_gives_no_digest(behaviour):
    server = predictors.Predictor(behaviour)
    with pytest.raises(UnavailableError, match="cannot be read now"):
        read_source(f"http://127.0.0.1:{server.port}/sales.csv")
    server.close()


def test_server_that_is_not_there_may_come_back():
    with pytest.raises(UnavailableError, match="check its server"):
        read_source("http://127.0.0.1:9/sales.csv")
