"""Whether what receipts name is in the artifact store of this machine.

Receipts of an embedded environment can come from another clone, or outlive the folder
`.ml-pipeline`. Nothing but looking tells, so this looks.
"""

from collections.abc import Iterator
from pathlib import Path

from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.receipts import DataVersion, Run, Stored
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.layout import stem_of
from ml_pipeline.rules.identity.awaited import settled_by
from ml_pipeline.rules.identity.hashes import data_identity
from ml_pipeline.rules.identity.served import promotions_naming, rollback_command


def lacking(state: State, snapshot: Snapshot, environment: str) -> list[str]:
    """One line, with the repair, for everything that is needed and not on this machine.

    It is needed by the experiments and the promotions of an embedded environment.
    """
    lines = set()
    for experiment in snapshot.experiments.values():
        if experiment.environment == environment:
            lines.add(lacking_for(state, snapshot, experiment))
    for run in _promoted(snapshot, environment):
        lines.add(lacking_model(state, snapshot, run))
    return sorted(lines - {""})


def lacking_for(state: State, snapshot: Snapshot, experiment: Experiment) -> str:
    """What an experiment lacks, empty where it lacks nothing.

    That is the model of the run that settles it, or the data that its run is to be trained on.
    """
    run = settled_by(snapshot, experiment)
    if run:
        return lacking_model(state, snapshot, run)
    data = snapshot.data.get(data_identity(experiment))
    if data is None or data.data is None or _is_here(state, snapshot, data.environment, data.data):
        return ""
    # Where it lies, and not where it would be written: another experiment may have prepared it.
    paths = snapshot.paths.get(DataVersion, [])
    path = next(path for path in paths if stem_of(path) == data.id)
    return (
        f"data {data.id} of {experiment.name} is prepared, but it is not on this machine; "
        f"`ml-pipeline withdraw {path}` prepares it here"
    )


def lacking_model(state: State, snapshot: Snapshot, run: Run) -> str:
    """Where the model of a run is not on this machine, what to do about it; else empty.

    The receipt of a run that a promotion names cannot be withdrawn.
    """
    if run.artifact is None or _is_here(state, snapshot, run.environment, run.artifact):
        return ""
    reference = run.reference
    named = promotions_naming(snapshot, reference)
    first = f"{rollback_command(named[-1])} until no promotion names it, then " if named else ""
    return (
        f"{reference} is trained, but its model is not on this machine; "
        f"{first}`ml-pipeline withdraw {reference}` trains it here"
    )


def _promoted(snapshot: Snapshot, environment: str) -> Iterator[Run]:
    """The runs that promotions of an environment name."""
    for (place, _), promotion in snapshot.promotions.items():
        for reference in (promotion.run, promotion.baseline):
            run = snapshot.runs_by_reference.get(reference) if reference else None
            if run and place == environment:
                yield run


def _is_here(state: State, snapshot: Snapshot, environment: str, stored: Stored) -> bool:
    """Whether the bytes are here.

    Those of an environment that is not embedded, or keeps them in a bucket, need not be.
    """
    facts = snapshot.environments.get(environment)
    if facts is None or facts.runtime != "embedded":
        return True
    folder = _folder(state, facts)
    return folder is None or (folder / stored.uri).exists()


def _folder(state: State, environment: Environment) -> Path | None:
    """The artifact store of an embedded environment on this machine, None where it is a bucket."""
    artifacts = environment.artifacts
    if artifacts.claim:
        return state.volume(artifacts.claim)
    if artifacts.uri.startswith("file:"):
        return Path(artifacts.uri.removeprefix("file://"))
    return None
