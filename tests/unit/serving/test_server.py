"""The real MLServer with a real model: what callers get for requests that are right, wrong, and more than the model bears."""

import json
import os
import subprocess
import urllib.error
import urllib.request

import pytest
from ml_pipeline.environments.embedded.state import free_port

from serving.__main__ import folder_sha256
from tests.conftest import REPOSITORY, until
from tests.support.predictors import listens

pytestmark = pytest.mark.slow
PYTHON = REPOSITORY / ".venv-serving" / "bin" / "python"
TAKES = "the model takes FP32 [-1, 4]"
MODEL = """
import sys
import mlflow
import numpy as np
from mlflow.models import infer_signature

class Sums(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        if model_input.max() > 1000:
            raise RuntimeError("too much for /opt/secret/path")
        return model_input.sum(axis=1, keepdims=True)

example_ND = np.ones((2, 4), np.float32)
signature = infer_signature(example_ND, example_ND[:, :1])
mlflow.pyfunc.save_model(sys.argv[1], python_model=Sums(), signature=signature, pip_requirements=[])
"""


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    return {kind: free_port() for kind in ("HTTP", "GRPC", "METRICS")}


@pytest.fixture(scope="module")
def server(tmp_path_factory, ports):
    """Address of MLServer, started as the Seldon operator starts it: with another class, debug on, and a worker."""
    folder = tmp_path_factory.mktemp("server")
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "MLFLOW_DISABLE_TELEMETRY": "true"}
    (folder / "sums.py").write_text(MODEL)
    model = folder / "model"
    subprocess.run([PYTHON, folder / "sums.py", model], cwd=folder, env=environ, check=True)
    environ |= {f"MLSERVER_{kind}_PORT": str(port) for kind, port in ports.items()} | {
        "MLSERVER_MODEL_NAME": "sums",
        "MLSERVER_MODEL_URI": str(model),
        "MLSERVER_MODEL_IMPLEMENTATION": "mlserver_mlflow.MLflowRuntime",
        "MLSERVER_HOST": "127.0.0.1",
        "MLSERVER_FOLDER": str(folder),
        "MODEL_SHA256": folder_sha256(model),
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [PYTHON, "-m", "serving"], cwd=REPOSITORY, env=environ, stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{ports['HTTP']}/v2/models/sums"
    try:
        until(lambda: is_ready(process, url), seconds=120)
        yield url
    finally:
        process.terminate()
        process.wait()


def is_ready(process, url: str) -> bool:
    assert process.poll() is None
    try:
        with urllib.request.urlopen(f"{url}/ready", timeout=1):
            return True
    except OSError:
        return False


def post(url: str, body: bytes) -> tuple[int, str]:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def rows(**changes) -> dict:
    return {"name": "rows", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4], **changes}


def infer(server: str, *inputs: dict) -> tuple[int, str]:
    return post(f"{server}/infer", json.dumps({"inputs": inputs}).encode())


def test_right_request_is_answered(server):
    status, body = infer(server, rows())
    assert (status, json.loads(body)["outputs"][0]["data"]) == (200, [10.0])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"shape": [1, 5], "data": [1] * 5}, "input 'rows' has the shape [1, 5]"),
        ({"shape": [4]}, "input 'rows' has the shape [4]"),
        ({"shape": [0, 4], "data": []}, "input 'rows' has the shape [0, 4]"),
        ({"datatype": "FP64"}, "input 'rows' has the datatype FP64"),
        ({"data": [1, 2, 3]}, "the data do not fill the shapes with values of their datatypes"),
        ({"data": ["a", "b", "c", "d"]}, "the data do not fill the shapes"),
        ({"parameters": {"content_type": "base64"}}, ""),
        ({"parameters": {"content_type": "str"}}, "the content_type is none of a tensor"),
    ],
)
def test_what_the_model_does_not_take_is_refused_in_one_line(server, changes, reason):
    status, body = infer(server, rows(**changes))
    message = json.loads(body)["error"]
    assert status == 400
    assert message.startswith(reason)
    assert message.endswith(TAKES)
    assert "\n" not in message


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{no json", "the request is no JSON from character 1 on"),
        (b"[]", "the request: "),
        (b"{}", "inputs: "),
        (b'{"inputs": []}', "the request has 0 inputs instead of 1"),
        (b'{"inputs": [{"name": "x", "shape": [1], "datatype": "F99", "data": [1]}]}', "inputs.0."),
    ],
)
def test_what_is_no_request_is_refused_in_one_line(server, body, reason):
    status, text = post(f"{server}/infer", body)
    message = json.loads(text)["error"]
    assert status == 400
    assert message.startswith(reason)
    assert message.endswith(TAKES)
    assert "\n" not in message


def test_failure_of_the_model_shows_neither_traceback_nor_paths(server):
    status, text = infer(server, rows(data=[2000, 0, 0, 0]))
    assert status == 500
    assert json.loads(text) == {
        "error": "the model failed to answer (RuntimeError); the log of its server says why"
    }


def test_unknown_model_is_not_found(server):
    assert post(server.replace("/sums", "/others") + "/infer", b'{"inputs": []}')[0] == 404


def get(url: str, *, host: str = "", method: str = "GET") -> tuple[int, str]:
    request = urllib.request.Request(url, method=method, headers={"Host": host} if host else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "path",
    [
        "/v2/repository/index",
        "/v2/repository/models/sums/load",
        "/v2/repository/models/sums/unload",
        "/v2/docs",
        "/v2/docs/dataplane.json",
        "/v2/models/sums/docs",
        "/v2/models/sums/docs/dataplane.json",
        "/v2/models/sums/generate",
        "/v2/models/sums/infer_stream",
        "/v2/models/sums/generate_stream",
        "/v2/models/sums/infer/",
        "/openapi.json",
        "/docs",
        "/invocations",
        "/ping",
        "/health",
        "/version",
        "/metrics",
        "/",
    ],
)
def test_nothing_but_the_model_is_offered(server, path, method):
    status, _ = get(server.removesuffix("/v2/models/sums") + path, method=method)
    assert status == 404
    assert infer(server, rows())[0] == 200


@pytest.mark.parametrize("path", ["", "/health/live", "/health/ready", "/models/sums"])
def test_metadata_and_health_tell_no_path_of_the_machine(server, path):
    status, body = get(server.removesuffix("/models/sums") + path)
    assert status == 200
    assert "/tmp" not in body


def test_only_http_is_listened_for(server, ports):
    assert listens(ports["HTTP"])
    assert not listens(ports["GRPC"])


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example"])
def test_foreign_host_is_refused_on_the_machines_own_interface(server, host):
    assert get(server, host=host)[0] == 400
    assert get(f"{server}/infer", host=host, method="POST")[0] == 400


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1"])
def test_own_host_with_any_port_is_answered(server, host):
    assert get(server, host=host)[0] == 200
