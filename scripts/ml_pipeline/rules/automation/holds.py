"""Why files of the branch are left alone, each in one line with the way out."""

from collections import Counter

from ml_pipeline.documents.data_snapshot import DataSnapshot
from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.faults import Fault
from ml_pipeline.documents.reader import kind_of
from ml_pipeline.documents.receipts import DataVersion, Run
from ml_pipeline.layout import (
    ENVIRONMENTS,
    environment_path,
    experiment_path,
    is_listed,
    owner_of,
    part_of,
    root_of,
)
from ml_pipeline.rules.automation.observed import Hold
from ml_pipeline.rules.automation.triage import Triage


def holds_of(triage: Triage, environment: str) -> tuple[Hold, ...]:
    """What is left alone on the branch, as far as it concerns an environment."""
    dependents: dict[str, Counter[str]] = {}
    for path, faulty in triage.blocked.items():
        kind = kind_of(path)
        assert kind is not None
        dependents.setdefault(faulty, Counter())[kind.__name__.lower()] += 1
    holds = []
    for path, faults in sorted(triage.faults.items()):
        if _concerns(triage, path, environment):
            holds.append(hold_of(path, faults, dependents.get(path, Counter())))
    return tuple(holds)


def hold_of(path: str, faults: list[Fault], dependents: Counter[str]) -> Hold:
    """Why a file is left alone, and how many of each kind cannot go on without it."""
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    counts = [f"{n} {kind}{'s' if n > 1 else ''}" for kind, n in sorted(dependents.items())]
    waits = f"; {' and '.join(counts)} cannot go on without it" if counts else ""
    return Hold(path, f"{faults[0]}{more}, {_way_out(path)}{waits}")


def _way_out(path: str) -> str:
    """How a person gets rid of a faulty file."""
    if is_listed(path) and root_of(path) != ENVIRONMENTS:
        return f"or take it out with `ml-pipeline withdraw {path}`"
    return f"or revert its commit, `git log -1 -- {path}`"


def _concerns(triage: Triage, path: str, environment: str) -> bool:
    """Whether a faulty file has to do with an environment, as all do of which nobody knows."""
    if part_of(path):
        return owner_of(path) == environment
    if kind_of(path) is DataSnapshot:
        path = experiment_path(owner_of(path))
    document = triage.readable(path) if path in triage.whole.files else None
    if not isinstance(document, Experiment | Run | DataVersion):
        return True
    is_known = environment_path(document.environment) in triage.whole.files
    return document.environment == environment or not is_known
