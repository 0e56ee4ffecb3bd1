"""The main job on real parts, step by step; each test goes on where the one before has ended."""

import http.client
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest
from ml_pipeline.adapters.load import Load
from ml_pipeline.rules.render.drift import drift

from tests.conftest import REPOSITORY, git

ROWS = {"name": "rows", "shape": [2, 1, 8, 8], "datatype": "FP32", "data": [1.0] * 128}
TWO_ROWS = json.dumps({"inputs": [ROWS]}).encode()


@pytest.fixture(scope="module")
def first(environment):
    """The receipt of a finished run."""
    environment.submit("first", "parameters.epochs=8")
    return environment.wait("the first receipt", lambda: environment.run_of("first"))


@pytest.fixture(scope="module")
def second(environment, first):
    """Another run on the same data."""
    environment.submit("second", "parameters.epochs=8", "model.type=cnn", "parameters.hidden=8")
    return environment.wait("the second receipt", lambda: environment.run_of("second"))


@pytest.fixture(scope="module")
def serving(environment, first):
    """The first run in service."""
    environment.pipeline("promote", "first")
    return environment.wait(
        "the first model",
        lambda: environment.serving().get("state") == "Available" and environment.serving(),
    )


def reference(run) -> str:
    return f"{run.experiment}/{run.id}"


def post(url: str, body: bytes):
    with urllib.request.urlopen(
        urllib.request.Request(url, body, {"Content-Type": "application/json"}), timeout=10
    ) as answer:
        return json.loads(answer.read()), answer.headers["x-predictor"]


def test_merged_experiment_is_trained_and_settled(environment, first):
    assert first.outcome == "succeeded"
    assert {gate.name: gate.passed for gate in first.gates} == dict.fromkeys(
        ("quality", "latency", "memory", "signature"), True
    )
    assert first.artifact.uri.startswith("mlflow/")
    assert first.cost.amount > 0


def test_data_is_recorded_with_its_statistics(environment, first):
    (data,) = environment.head().data.values()
    assert (data.rows, data.holdout_rows, data.shape, data.classes) == (1797, 359, (1, 8, 8), 10)
    assert len(data.columns) == 65
    assert data.data.sha256 == first.decided_by.data


def test_receipt_holds_what_it_took_and_what_was_expected(environment, first, second):
    """Two architectures: neither is like the other, so that both estimates are the budget."""
    for run in (first, second):
        assert 0 < run.queued_s < 120
        assert 100 < run.peak_memory_mb < 2000
        assert run.held.memory == environment.head().experiments[run.experiment].resources.memory
        assert (run.estimate.runs, run.estimate.p50_s) == (0, 900.0)
        assert run.cost.amount < run.estimate.p90


def test_overlays_of_settled_runs_are_gone(environment, first, second):
    assert not drift(environment.head())
    environment.wait("the Jobs to go", lambda: not environment.state.names("jobs"), 30)


def test_second_run_reuses_the_data(environment, second):
    assert len(environment.head().data) == 1


def test_changed_comment_and_key_order_train_nothing(environment, first, second):
    before = environment.finished_runs()
    environment.submit("first", "parameters.epochs=8", "owner=speech")
    assert "trained already" in environment.pipeline(
        "submit",
        str(environment.clone.parent / "first.yaml"),
        "--merge",
        "--set",
        "parameters.epochs=8",
    )
    time.sleep(2)
    assert environment.state.names("jobs") == []
    assert environment.finished_runs() == before


def test_revert_and_revert_of_the_experiment_train_nothing(environment, second):
    before = environment.finished_runs()
    environment.revert("^Train second")
    environment.revert('^Revert "Train second')
    time.sleep(2)
    assert environment.state.names("jobs") == []
    assert environment.finished_runs() == before


def test_promoted_model_answers(environment, serving):
    answer, predictor = post(serving["url"], TWO_ROWS)
    assert answer["outputs"][0]["shape"] == [2, 10]
    assert serving["predictors"][0]["name"].startswith(predictor)


def test_request_of_the_first_page_can_be_pasted(environment, serving):
    page = (REPOSITORY / "docs/getting-started.md").read_text()
    pasted, loop = re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", pasted + loop.replace("seq 1000", "seq 3") + "echo $?"],
        cwd=environment.clone,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "It is a 0\n0\n", done.stderr


def test_canary_advances_and_a_revert_takes_it_back(environment, first, second, serving):
    old, new = reference(first), reference(second)
    load = Load(serving["url"], (1, 8, 8), 60)
    load.start()
    environment.pipeline(
        "promote",
        "second",
        "--steps",
        "20,100",
        "--min-requests",
        "60",
        "--max-p99-increase",
        "1000",
    )
    environment.wait(
        "the canary", lambda: environment.serving().get("routed") == {old: 80, new: 20}
    )
    environment.wait(
        "the end of the rollout", lambda: environment.serving().get("routed") == {new: 100}
    )
    environment.revert("^Promote digits to second")
    environment.wait("the old version", lambda: environment.serving().get("routed") == {old: 100})
    load.stop()
    assert load.failed == []
    assert {"digits-run-" + first.id, "digits-run-" + second.id} <= set(load.by_predictor)


def test_history_and_chain_name_what_served(environment, first, second, serving):
    assert reference(first) in environment.pipeline("why", "digits")
    assert "Finish the rollout of digits" in environment.pipeline("history", "digits")
    assert "decided by model_type" in environment.pipeline("compare", "first", "second")


def test_status_selects_by_label_and_logs_are_kept(environment, first):
    assert "environment up" in environment.pipeline("status", "-l", "pipeline=ml-training")
    assert "finished: accuracy" in environment.pipeline("logs", reference(first))


def test_damaged_model_is_not_served(environment, first, second, serving):
    weights = environment.state.volume("artifacts") / second.artifact.uri / "data" / "model.pt2"
    raw = weights.read_bytes()
    environment.wait("the drained server", lambda: not environment.servers(second.id), 30)
    weights.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    environment.pipeline("promote", "second", "--steps", "100")
    refused = environment.wait(
        "the refusal",
        lambda: any(
            "refused to serve" in p["message"] for p in environment.serving().get("predictors", ())
        ),
    )
    assert refused
    assert environment.serving()["routed"] == {reference(first): 100}
    weights.write_bytes(raw)
    environment.wait(
        "the restored model",
        lambda: environment.serving().get("routed") == {reference(second): 100},
    )


def test_changed_resources_replace_the_server_without_a_lost_request(
    environment, first, second, serving
):
    (before,) = environment.servers(second.id)
    load = Load(serving["url"], (1, 8, 8), 40)
    load.start()
    path = environment.clone / "environments/local/promotions/digits.yaml"
    git(environment.clone, "fetch", "--quiet", "local")
    git(environment.clone, "checkout", "--quiet", "--detach", "local/main")
    path.write_text(path.read_text().replace("memory: 2Gi", "memory: 3Gi"))
    environment.pipeline("render")
    git(environment.clone, "add", "--all")
    git(environment.clone, "commit", "--quiet", "--message", "Give digits more memory")
    git(environment.clone, "push", "--quiet", "local", "HEAD:main")
    environment.wait(
        "the new server alone",
        lambda: len(now := environment.servers(second.id)) == 1 and now != [before],
    )
    load.stop()
    assert load.failed == []


def test_a_hundred_applied_revisions_start_nothing(environment, first, second):
    before = environment.finished_runs()
    for number in range(100):
        git(environment.clone, "fetch", "--quiet", "local")
        git(environment.clone, "checkout", "--quiet", "--detach", "local/main")
        git(
            environment.clone,
            "commit",
            "--quiet",
            "--allow-empty",
            "--message",
            f"Nothing {number}",
        )
        git(environment.clone, "push", "--quiet", "local", "HEAD:main")
    head = git(environment.clone, "rev-parse", "HEAD")
    environment.wait(
        "the last revision",
        lambda: (environment.state.read("revision") or {}).get("applied") == head,
        30,
    )
    assert environment.state.names("jobs") == []
    assert environment.finished_runs() == before


def test_unused_endpoint_says_not_found(environment, serving):
    with pytest.raises(urllib.error.HTTPError, match="404"):
        post(serving["url"].replace("/digits/", "/letters/"), b"{}")


def test_bad_configuration_fails_for_good_with_the_reason(environment, first):
    environment.submit(
        "impossible", "model.type=cnn", "dataset.uri=bundled://iris", "model.name=iris"
    )
    run = environment.wait("the failed receipt", lambda: environment.run_of("impossible"))
    assert run.outcome == "failed"
    assert "cannot work: --model-type cnn takes images" in run.reason


def test_too_little_memory_is_explained_with_the_repair(environment, first):
    environment.submit("hungry", "parameters.epochs=9", "resources.memory=128Mi")
    run = environment.wait("the failed receipt", lambda: environment.run_of("hungry"))
    assert "OOMKilled: used" in run.reason
    assert "raise resources.memory in experiments/hungry/experiment.yaml" in run.reason


def test_everything_listens_on_loopback_only(environment, serving):
    addresses = {row[1].split(":")[0] for row in listening(environment)}
    assert addresses
    assert addresses <= {
        "0100007F",
        "00000000000000000000000001000000",
        "0000000000000000FFFF00000100007F",
    }


def test_no_port_answers_a_foreign_host(environment, serving):
    ports = {int(row[1].split(":")[1], 16) for row in listening(environment)}
    assert set(environment.state.read("endpoints").values()) < ports
    for port in ports:
        assert status_for(port, "127.0.0.1") == (404 if port == endpoint(environment) else 200)
        assert status_for(port, "evil.example") in (400, 403, 421)


def endpoint(environment) -> int:
    return environment.state.read("endpoints")["endpoint"]


def status_for(port: int, host: str) -> int:
    """Of what a server of the environment has: MLflow's pages, or a predictor's health."""
    statuses = []
    for path in ("/", "/v2/health/ready"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", path, headers={"Host": host})
        statuses.append(connection.getresponse().status)
        connection.close()
    return min(statuses)


def test_nobody_else_may_look_into_the_state(environment, serving):
    """Everything is there: git, MLflow, models, logs, sockets; the umask of who started it was 000."""
    found = [environment.state.root, *environment.state.root.rglob("*")]
    assert any(path.is_socket() for path in found)
    assert [str(path) for path in found if others_may(path)] == []


def others_may(path: Path) -> bool:
    with suppress(FileNotFoundError):
        return not path.is_symlink() and bool(path.lstat().st_mode & 0o077)
    return False


def test_nobody_can_unload_a_model(environment, serving):
    for address in ("v2/repository/models/digits/unload", "v2/repository/index"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            post(serving["url"].replace("v2/models/digits/infer", address), b"{}")
    answer, _ = post(serving["url"], TWO_ROWS)
    assert answer["outputs"][0]["shape"] == [2, 10]


def listening(environment) -> list[list[str]]:
    """Rows of the kernel's list of sockets that processes of the environment listen on."""
    rows = [
        line.split()
        for path in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(path).read_text().splitlines()
        if line.split()[3] == "0A"
    ]
    own = set()
    for pid in environment.alive():
        own |= descriptors(pid)
    return [row for row in rows if row[9] in own]


def descriptors(pid: int) -> set[str]:
    """Inodes of a process's sockets; a process or a descriptor may go while it is looked at."""
    found = set()
    with suppress(FileNotFoundError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with suppress(FileNotFoundError):
                target = os.readlink(entry.path)
                if target.startswith("socket:["):
                    found.add(target[8:-1])
    return found
