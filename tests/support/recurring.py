"""An experiment that trains anew on one state of its source after another, and an environment that finishes what it asks for."""

import hashlib
from datetime import UTC, datetime, timedelta

from ml_pipeline.documents.changes import applied
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.automation.branch import Branch
from ml_pipeline.rules.automation.observed import Observed
from ml_pipeline.rules.automation.plan import plan
from ml_pipeline.rules.automation.retraining import Interval, SourceState, interval_proposal
from ml_pipeline.rules.identity.hashes import data_identity

from tests.support.simulate import PREPARED, finished, trained

NAME = "waiting"
PATH = f"experiments/{NAME}/experiment.yaml"
FIRST = datetime(2026, 3, 1, tzinfo=UTC)


def day(number: int) -> Interval:
    """The interval of a daily schedule, numbered from 0."""
    return Interval(NAME, FIRST + timedelta(days=number))


def recurring(files, uri="file:///data/sales.csv", promote=None, schedule="@daily"):
    """The tree in which the experiment that waits trains each day; its first state has the digest of nothing."""
    digest = hashlib.sha256(b"").hexdigest()
    target = f", promote: {promote}" if promote else ""
    text = (
        files[PATH]
        .decode()
        .replace(
            "dataset: {uri: bundled://digits}",
            f"dataset: {{uri: {uri}, sha256: {digest}}}\nschedule: '{schedule}'\nretrain: {{data: latest{target}}}",
        )
    )
    return {**files, PATH: text.encode()}


def state_of(content: bytes, uri="file:///data/sales.csv") -> SourceState:
    return SourceState(uri, hashlib.sha256(content).hexdigest(), len(content))


def proposed(files, interval: Interval, content: bytes):
    """The tree once an interval has been proposed on these bytes."""
    return applied(
        files, interval_proposal(Branch(Snapshot(files)), interval, state_of(content)).changes
    )


def played(files, accuracy: float = 0.98):
    """The tree after everything that is awaited has ended, step by step, as `reconcile` commits it."""
    while True:
        branch = Branch(Snapshot(files))
        ended = {
            identity: finished(_result(branch, names[0], identity, accuracy), identity)
            for identity, names in branch.experiments_awaiting("local").items()
        }
        steps = plan(branch.whole, Observed("local", results=ended))
        if not steps:
            return files
        for step in steps:
            files = applied(files, step.changes)


def _result(branch: Branch, name: str, identity: str, accuracy: float) -> dict:
    if identity != data_identity(branch.snapshot.experiments[name]):
        return trained(identity, accuracy)
    # Other sources give other bytes.
    return {**PREPARED, "data": {**PREPARED["data"], "sha256": identity}}
