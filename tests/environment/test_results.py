"""Results read from a real MLflow server: every kind of nonsense, more than a page of everything, and how long it takes."""

import os
import signal
import subprocess
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest
from ml_pipeline.adapters.mlflow import Tracking
from ml_pipeline.documents.results import MAX_BYTES
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.local.services import mlflow_command
from ml_pipeline.local.state import State, free_port
from ml_pipeline.rules.branch import Branch
from ml_pipeline.rules.observed import Observed
from ml_pipeline.rules.reconcile import plan

from tests.conftest import until
from tests.many import many
from tests.rules.test_reconcile import MALFORMED
from tests.simulate import finished, trained

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
        folder = self.state.volume("artifacts") / "mlflow" / experiment / run.run_id / "artifacts"
        folder.mkdir(parents=True)
        (folder / "receipt.json").write_bytes(receipt)
        self.store.update_run_info(run.run_id, RunStatus.FINISHED, self.clock + 50_000, "run")
        return run.run_id


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    found = Server(tmp_path_factory.mktemp("mlflow"))
    yield found
    found.end()


def test_every_kind_of_nonsense_is_settled_beside_good_results(server):
    """A real server hands out what its artifact store holds, whatever it is."""
    files = many(len(MALFORMED) + 2)
    snapshot = load_snapshot(files)
    awaited = sorted(Branch(snapshot).awaited("local"))
    huge = b"x" * (50 * 2**20)
    receipts = [finished(receipt).receipt for receipt in MALFORMED] + [huge]
    experiment = server.store.create_experiment("nonsense")
    for identity, receipt in zip(awaited, receipts, strict=False):
        server.finish(experiment, identity, receipt)
    good = awaited[len(receipts) :]
    for identity in good:
        server.finish(experiment, identity, finished(trained(identity)).receipt)
    look = Tracking(server.uri).look(set(awaited))
    assert (look.unknown, look.held) == (frozenset(), ())
    assert max(len(found.receipt) for found in look.results.values()) == MAX_BYTES + 1
    steps = plan(snapshot, Observed("local", results=look.results))
    after = snapshot
    for step in steps:
        after = after.after(step.changes.write, step.changes.delete)
    outcomes = {identity: after.runs[identity].outcome for identity in awaited}
    assert outcomes == {
        identity: "succeeded" if identity in good else "failed" for identity in awaited
    }


def test_receipt_that_is_not_in_the_artifact_store_holds_its_run_alone(server):
    lost, there = "1" * 64, "2" * 64
    experiment = server.store.create_experiment("lost")
    run = server.finish(experiment, lost, b"{}")
    server.finish(experiment, there, b"{}")
    path = f"mlflow/{experiment}/{run}/artifacts/receipt.json"
    (server.state.volume("artifacts") / path).unlink()
    look = Tracking(server.uri).look({lost, there}, {lost[:10]})
    assert (look.results.keys(), look.unknown) == ({there}, {lost})
    assert "restore" in look.held[0].reason or "artifact store" in look.held[0].reason


def test_run_that_is_deleted_is_found_no_more(server):
    experiment = server.store.create_experiment("deleted")
    run = server.finish(experiment, "3" * 64, b"{}")
    tracking = Tracking(server.uri)
    assert tracking.look({"3" * 64}).results
    tracking.delete(run)
    tracking.look({"4" * 64})
    assert tracking.look({"3" * 64}).results == {}


def test_more_than_a_page_of_experiments_and_runs_is_read(server, say):
    identities = [f"{number:064x}" for number in range(10**6, 10**6 + WAITING)]
    experiments = [
        server.store.create_experiment(f"many-{number}") for number in range(WAITING + 100)
    ]
    tracking, awaited = Tracking(server.uri), set(identities)
    begun = time.perf_counter()
    assert tracking.look(awaited).results == {}
    nothing = time.perf_counter()
    tracking.look(awaited)
    idle = time.perf_counter()
    for experiment, identity in zip(experiments, identities, strict=False):
        server.finish(experiment, identity, finished(trained(identity)).receipt)
    filled = time.perf_counter()
    assert tracking.look(awaited).results.keys() == awaited
    found = time.perf_counter()
    assert Tracking(server.uri).look(set(identities[:3])).results.keys() == set(identities[:3])
    started = time.perf_counter()
    assert tracking.look(awaited).results.keys() == awaited
    known = time.perf_counter()
    say(
        f"MLflow with {len(experiments)} experiments, {WAITING} identities awaited: a first look {nothing - begun:.2f} s, "
        f"one that finds nothing new {idle - nothing:.2f} s, one that finds them all finished {found - filled:.1f} s, "
        f"the first of a new process, for 3 of them, {started - found:.2f} s, one that knows them all {known - started:.2f} s"
    )


def test_server_that_is_gone_is_held(server):
    server.end()
    until(lambda: not server.answers())
    look = Tracking(server.uri).look({"2" * 64}, {"2" * 10})
    assert look.unknown == {"2" * 64}
