"""Five hundred scheduled experiments: what the DAG file takes, as the DAG processor runs it, and waiting for them."""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.documents.data_snapshot import DataSnapshot
from ml_pipeline.documents.fields import API_VERSION
from ml_pipeline.documents.writer import to_document
from ml_pipeline.operations.retrain import IntervalWatch, open_clone_of
from ml_pipeline.rules.automation.retraining import Interval

from tests.airflow.team import dag_files, experiment, write

pytestmark = pytest.mark.airflow
MANY = 500
# A process of its own: memory is that of one parse. As in the DAG processor, which forks for each
# file, Airflow is imported before, and nothing of this package.
PARSE = """
import json, resource, sys, time
from pathlib import Path
import structlog
from airflow.dag_processing.processor import (
    DagFileParseRequest, _parse_file, _pre_import_airflow_modules
)
from airflow.dag_processing.dagbag import BundleDagBag
top = Path(sys.argv[1])
file = str(top / "dags/retraining.py")
log = structlog.get_logger()
_pre_import_airflow_modules(file, log)
imported = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
start = time.process_time()
bag = BundleDagBag(dag_folder=file, bundle_path=top / "dags", bundle_name="b", load_op_links=False)
(stats,) = bag.dagbag_stats
busy = time.process_time() - start
request = DagFileParseRequest(file=file, bundle_path=top / "dags", bundle_name="b")
whole = time.process_time()
result = _parse_file(request, log)
print(json.dumps({
    "dags": len(result.serialized_dags),
    "errors": result.import_errors,
    "file_s": stats.duration.total_seconds(),
    "busy_s": busy,
    "whole_s": time.process_time() - whole,
    "imported_mib": imported,
    "most_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}))
"""


@pytest.fixture
def many(tmp_path):
    names = [f"experiment-{number:03}" for number in range(MANY)]
    files = {f"experiments/{n}/experiment.yaml": experiment(n, tmp_path / "a.csv") for n in names}
    write(tmp_path, dag_files() | files)
    return tmp_path


def test_many_schedules_are_read_in_no_time(many, say):
    done = subprocess.run(
        [sys.executable, "-c", PARSE, str(many)], capture_output=True, text=True, check=True
    )
    figures = json.loads(done.stdout.splitlines()[-1])
    say(
        f"{MANY} scheduled experiments: DAG file {figures['file_s']:.2f} s ({figures['busy_s']:.2f} s "
        f"of a core), with serialization {figures['whole_s']:.2f} s of a core, "
        f"{figures['most_mib']:.0f} MiB ({figures['imported_mib']:.0f} MiB of them Airflow)"
    )
    assert figures["errors"] == {}
    assert figures["dags"] == MANY
    assert figures["most_mib"] < 250


def waiting(name: str) -> Interval:
    return Interval(name, datetime(2026, 1, 31, tzinfo=UTC))


def proposal(interval: Interval) -> bytes:
    """The file by which an interval is proposed."""
    document = DataSnapshot(
        apiVersion=API_VERSION,
        kind="DataSnapshot",
        experiment=interval.experiment,
        interval=interval.name,
        uri="file:///a.csv",
        sha256="e" * 64,
        bytes=1,
    )
    return to_document(interval.path, document)


def test_many_wait_by_one_fetch(retraining_team, tmp_path, monkeypatch, say):
    names = [f"experiment-{number:03}" for number in range(MANY)]
    intervals = [waiting(name) for name in names]
    files = {f"experiments/{n}/experiment.yaml": experiment(n, tmp_path / "a.csv") for n in names}
    files |= {interval.path: proposal(interval) for interval in intervals}
    retraining_team.commit(files, "Wait for all of them")
    watch = IntervalWatch(open_clone_of(retraining_team.settings))
    first = seconds_of(watch, intervals)
    fetches = []
    monkeypatch.setattr(Repository, "_fetch_once", counted(Repository._fetch_once, fetches))
    later = [seconds_of(watch, intervals) for _ in range(5)]
    say(
        f"{MANY} intervals wait: {first:.2f} s of a core for the first look, "
        f"{sorted(later)[2]:.3f} s for each later one, with one fetch and no worker"
    )
    assert len(fetches) == len(later)


def seconds_of(watch: IntervalWatch, intervals: list[Interval]) -> float:
    """What a look at all of them takes of a core."""
    start = time.process_time()
    standings = watch.standings(intervals)
    assert {standing.state for standing in standings.values()} == {"waiting"}
    return time.process_time() - start


def counted(function, calls: list):
    def call(*arguments):
        calls.append(arguments)
        return function(*arguments)

    return call
