"""What an experiment waits for: its data, its run, or nothing because a receipt has settled it."""

from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.receipts import Identity, Run
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.identity.hashes import data_identity, run_identity, run_inputs


def run_inputs_of(snapshot: Snapshot, experiment: Experiment) -> Identity | None:
    """What decides the run that the experiment asks for; None until its data is prepared.

    The environment is no part of it, but for an experiment that has a receipt of just this run from
    an environment whose store cannot be reached from here, such as one that moved from `local` to
    `staging`: it is trained once more, and its receipt gets a name beside the other.
    """
    data = snapshot.data.get(data_identity(experiment))
    if data is None or data.data is None:
        return None
    inputs = run_inputs(experiment, data.data.sha256)
    receipts = snapshot.runs.every(run_identity(inputs))
    # A receipt of another experiment is no reason: this one has never trained it anywhere.
    own = any(receipt.experiment == experiment.name for receipt in receipts)
    if own and not any(is_reachable(snapshot, receipt, experiment) for receipt in receipts):
        return run_inputs(experiment, data.data.sha256, environment=experiment.environment)
    return inputs


def run_identity_of(snapshot: Snapshot, experiment: Experiment) -> str | None:
    """Identity of the run that the experiment asks for; None until its data is prepared."""
    inputs = run_inputs_of(snapshot, experiment)
    return run_identity(inputs) if inputs else None


def is_reachable(snapshot: Snapshot, receipt: Run, experiment: Experiment) -> bool:
    """Whether the bytes of a run can be served where an experiment trains.

    They can from its own environment, and from those that it promotes from.
    """
    here = snapshot.environments.get(experiment.environment)
    promotes_from = here.promotes_from if here else ()
    return receipt.environment in (experiment.environment, *promotes_from)


def settled_by(snapshot: Snapshot, experiment: Experiment) -> Run | None:
    """The receipt that settles the run that the experiment asks for, None where none does yet."""
    run = run_identity_of(snapshot, experiment)
    return _receipt(snapshot, experiment, run) if run else None


def awaited_identity(snapshot: Snapshot, experiment: Experiment) -> str | None:
    """Identity of what the experiment waits for, data or run; None where it is settled."""
    data = data_identity(experiment)
    if data not in snapshot.data:
        return data
    run = run_identity_of(snapshot, experiment)
    return run if run and _receipt(snapshot, experiment, run) is None else None


def _receipt(snapshot: Snapshot, experiment: Experiment, run: str) -> Run | None:
    for receipt in snapshot.runs.every(run):
        if is_reachable(snapshot, receipt, experiment):
            return receipt
    return None
