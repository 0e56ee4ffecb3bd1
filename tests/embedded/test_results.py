"""Results read from a real MLflow server: every kind of nonsense, more than a page of everything, and how long it takes."""

import os
import signal
import subprocess
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest
from ml_pipeline.adapters.mlflow.tracking import Tracking
from ml_pipeline.documents.results import MAX_BYTES, TerminationMessage
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.environments.embedded.services import mlflow_command
from ml_pipeline.environments.embedded.state import State, free_port
from ml_pipeline.rules.automation.branch import Branch
from ml_pipeline.rules.automation.observed import Observed, ObservedJob
from ml_pipeline.rules.automation.plan import plan
from ml_pipeline.rules.automation.termination import JobMessage, JobMessages, Verified, verify

from tests.conftest import until
from tests.support.many import many
from tests.support.simulate import finished, trained, word
from tests.unit.rules.automation.test_plan import MALFORMED

pytestmark = pytest.mark.slow
WAITING = 1000


class Server:
    """The MLflow of an embedded environment; filled through its own store, which is faster than asking it."""

    def __init__(self, root: Path) -> None:
        self.state, port = State(root), free_port()
        self.uri = f"http://127.0.0.1:{port}"
        environ = {
            **os.environ,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        with (root / "log").open("wb") as log:
            self.process = subprocess.Popen(
                mlflow_command(self.state, port),
                env=environ,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        for _ in range(600):
            if self.answers():
                break
            time.sleep(0.1)
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        self.store = SqlAlchemyStore(f"sqlite:///{root}/mlflow.db", "mlflow-artifacts:/")
        self.clock = 1_700_000_000_000

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=1) as answer:
                return answer.status == 200
        except OSError:
            return False

    def end(self) -> None:
        """Kill it with its worker, which would answer on without it."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)

    def finish(self, experiment: str, identity: str, receipt: bytes) -> str:
        """A run as the trainer leaves it: the receipt, then the tag, then the end."""
        from mlflow.entities import Metric, Param, RunStatus, RunTag

        self.clock += 60_000
        tags = [RunTag("identity", identity), RunTag("settled", "true")]
        run = self.store.create_run(experiment, "trainer", self.clock, tags, "run").info
        self.store.log_batch(
            run.run_id,
            [Metric(f"m{n}", 0.5, self.clock, 1) for n in range(8)],
            [Param(f"p{n}", "64") for n in range(12)],
            [],
        )
        self.put(experiment, run.run_id, receipt)
        self.store.update_run_info(run.run_id, RunStatus.FINISHED, self.clock + 50_000, "run")
        return run.run_id

    def put(self, experiment: str, run: str, receipt: bytes) -> None:
        """Write a receipt into the artifact store."""
        folder = self.state.volume("artifacts") / "mlflow" / experiment / run / "artifacts"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "receipt.json").write_bytes(receipt)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    found = Server(tmp_path_factory.mktemp("mlflow"))
    yield found
    found.end()


def left(server, experiment: str, receipts: dict[str, bytes]) -> dict[str, TerminationMessage]:
    """What pods have said once they have left these receipts, by identity; $RUN in one is the folder of its run."""
    said = {}
    for identity, raw in receipts.items():
        run = server.finish(experiment, identity, raw)
        receipt = raw.replace(b"$RUN", f"mlflow/{experiment}/{run}/artifacts".encode())
        server.put(experiment, run, receipt)
        said[identity] = word(receipt, identity).model_copy(update={"mlflow_run": run})
    return said


def looked(server, words: dict[str, TerminationMessage]) -> Verified:
    """What `reconcile` makes of it."""
    jobs = (ObservedJob(i, i[:10], is_complete=True, ended="x", again="delete it") for i in words)
    look = Tracking(server.uri).look(words)
    assert look.held == ()
    return verify(
        JobMessages({j.name: JobMessage(j, words[j.name]) for j in jobs}),
        look.results,
        look.refused,
    )


def test_every_kind_of_nonsense_is_settled_beside_good_results(server):
    """A real server hands out what its artifact store holds, whatever it is."""
    files = many(len(MALFORMED) + 2)
    snapshot = load_snapshot(files)
    awaited = sorted(Branch(snapshot).awaited("local"))
    huge = b"x" * (50 * 2**20)
    receipts = [finished(receipt).receipt for receipt in MALFORMED] + [huge]
    good = awaited[len(receipts) :]
    left_there = dict(zip(awaited, receipts, strict=False))
    for identity in good:
        good_one = trained(identity)
        good_one["artifact"]["uri"] = "$RUN/model"
        left_there[identity] = finished(good_one).receipt
    vouched = looked(server, left(server, server.store.create_experiment("nonsense"), left_there))
    too_large = {identity for identity, raw in left_there.items() if len(raw) > MAX_BYTES + 1}
    assert vouched.unknown == too_large
    steps = plan(snapshot, Observed("local", vouched.results, unknown=vouched.unknown))
    after = snapshot
    for step in steps:
        after = after.after(step.changes)
    settled = {i: after.runs[i].outcome for i in awaited if i in after.runs}
    failed = dict.fromkeys(left_there.keys() - too_large, "failed")
    assert settled == failed | dict.fromkeys(good, "succeeded")


def test_receipt_that_is_not_in_the_artifact_store_holds_its_run_alone(server):
    experiment = server.store.create_experiment("lost")
    words = left(server, experiment, {"1" * 64: b"{}", "2" * 64: b"{}"})
    path = f"mlflow/{experiment}/{words['1' * 64].mlflow_run}/artifacts/receipt.json"
    (server.state.volume("artifacts") / path).unlink()
    vouched = looked(server, words)
    assert (vouched.results.keys(), vouched.unknown) == ({"2" * 64}, {"1" * 64})
    assert "artifact store" in vouched.holds[0].reason


def test_run_that_is_deleted_or_unknown_holds_its_job(server):
    experiment = server.store.create_experiment("deleted")
    words = left(server, experiment, {"3" * 64: b"{}", "4" * 64: b"{}"})
    Tracking(server.uri).delete(words["3" * 64].mlflow_run)
    words["4" * 64] = words["4" * 64].model_copy(update={"mlflow_run": "5" * 32})
    vouched = looked(server, words)
    assert vouched.results == {}
    assert "is deleted" in vouched.holds[0].reason
    assert "runs/get with 404" in vouched.holds[1].reason


def test_receipt_that_somebody_writes_over_is_not_taken(server):
    experiment = server.store.create_experiment("forged")
    words = left(server, experiment, {"6" * 64: finished(trained("6" * 64)).receipt})
    server.put(experiment, words["6" * 64].mlflow_run, finished(trained("7" * 64)).receipt)
    (hold,) = looked(server, words).holds
    assert "is not what its pod has left" in hold.reason


def test_many_results_are_read_from_many_experiments(server, say):
    identities = [f"{number:064x}" for number in range(10**6, 10**6 + WAITING)]
    words: dict[str, TerminationMessage] = {}
    for number, identity in enumerate(identities):
        experiment = server.store.create_experiment(f"many-{number}")
        words |= left(server, experiment, {identity: finished(trained(identity)).receipt})
    tracking = Tracking(server.uri)
    begun = time.perf_counter()
    assert tracking.look(words).results.keys() == words.keys()
    found = time.perf_counter()
    assert tracking.look(words).results.keys() == words.keys()
    known = time.perf_counter()
    say(
        f"MLflow with {WAITING} experiments, {WAITING} pods have spoken: a look that reads all their receipts "
        f"{found - begun:.1f} s, one that knows them {known - found:.3f} s"
    )


def test_server_that_is_gone_is_held(server):
    server.end()
    until(lambda: not server.answers())
    (hold,) = Tracking(server.uri).look({"2" * 64: word(b"{}", "2" * 64)}).held
    assert "does not answer" in hold.reason
