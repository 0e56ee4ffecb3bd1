"""What automation commits next: receipts of what has finished, the overlays that follow, and the next rollout steps.

Pure: a snapshot and what was observed in, commits out. Where something is not known, nothing is planned for it.
"""

from ml_pipeline.documents.faults import Fault
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.advance import rollout_steps
from ml_pipeline.rules.observed import Observed, Step
from ml_pipeline.rules.settle import after, settle, training_drift
from ml_pipeline.rules.training import pending


def awaited(snapshot: Snapshot, environment: str) -> set[str]:
    """Identities of data and runs that this environment has still to finish."""
    mine = (e for e in snapshot.experiments.values() if e.environment == environment)
    return {identity for e in mine if (identity := pending(snapshot, e))}


def plan(snapshot: Snapshot, observed: Observed) -> list[Step]:
    """The commits to make now, in order, each on top of the one before."""
    steps: list[Step] = []
    for experiment in list(snapshot.experiments.values()):
        if experiment.environment != observed.environment:
            continue
        step = settle(snapshot, experiment, observed)
        if step:
            steps.append(step)
            snapshot = after(snapshot, step.changes)
    leftover = training_drift(snapshot, observed.environment)
    if leftover:
        steps.append(
            Step(
                leftover,
                "Bring training overlays up to date",
                "Settled runs have no overlay, and every awaited one has its current overlay.",
            )
        )
        snapshot = after(snapshot, leftover)
    return steps + list(rollout_steps(snapshot, observed))


def held_by_faults(faults: list[Fault]) -> str:
    """Why nothing is planned while documents on the branch are invalid."""
    return f"held: {len(faults)} faults on the branch, first: {faults[0]}"
