"""Whether what receipts name is in the artifact store of this machine: receipts of an embedded environment can come from another
clone, or outlive the folder `.ml-pipeline`. Nothing but looking tells, so this looks."""

from collections.abc import Iterator
from pathlib import Path

from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.receipts import DataVersion, Run, Stored
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.rules.identity.awaited import settled_by
from ml_pipeline.rules.identity.hashes import data_identity


def lacking(state: State, snapshot: Snapshot, environment: str) -> list[str]:
    """One line, with the repair, for everything that an embedded environment's experiments and promotions need and that is not
    on this machine."""
    experiments = [e for e in snapshot.experiments.values() if e.environment == environment]
    lines = [lacking_for(state, snapshot, experiment) for experiment in experiments]
    lines += [lacking_model(state, snapshot, run) for run in _promoted(snapshot, environment)]
    return sorted({line for line in lines if line})


def lacking_for(state: State, snapshot: Snapshot, experiment: Experiment) -> str:
    """What an experiment lacks: the model of the run that settles it, or the data that its run is to be trained on; else empty."""
    run = settled_by(snapshot, experiment)
    if run:
        return lacking_model(state, snapshot, run)
    data = snapshot.data.get(data_identity(experiment))
    if data is None or data.data is None or _is_here(state, snapshot, data.environment, data.data):
        return ""
    paths = snapshot.paths.get(DataVersion, [])
    path = next(path for path in paths if path.endswith(f"/{data.id}.yaml"))
    return (
        f"data {data.id} of {experiment.name} is prepared, but it is not on this machine; "
        f"`ml-pipeline withdraw {path}` prepares it here"
    )


def lacking_model(state: State, snapshot: Snapshot, run: Run) -> str:
    """Where the model of a run is not on this machine, what to do about it; else empty."""
    if run.artifact is None or _is_here(state, snapshot, run.environment, run.artifact):
        return ""
    reference = f"{run.experiment}/{run.id}"
    return (
        f"{reference} is trained, but its model is not on this machine; "
        f"`ml-pipeline withdraw {reference}` trains it here"
    )


def _promoted(snapshot: Snapshot, environment: str) -> Iterator[Run]:
    """The runs that promotions of an environment name."""
    for (place, _), promotion in snapshot.promotions.items():
        for reference in (promotion.run, promotion.baseline):
            run = snapshot.runs_by_reference.get(reference) if reference else None
            if run and place == environment:
                yield run


def _is_here(state: State, snapshot: Snapshot, environment: str, stored: Stored) -> bool:
    """Whether the bytes are here; those of an environment that is not embedded, or keeps them in a bucket, need not be."""
    facts = snapshot.environments.get(environment)
    folder = _folder(state, facts) if facts and facts.runtime == "embedded" else None
    return folder is None or (folder / stored.uri).exists()


def _folder(state: State, environment: Environment) -> Path | None:
    """The artifact store of an embedded environment on this machine, None where it is a bucket."""
    artifacts = environment.artifacts
    if artifacts.claim:
        return state.volume(artifacts.claim)
    return Path(artifacts.uri.removeprefix("file://")) if artifacts.uri[:5] == "file:" else None
