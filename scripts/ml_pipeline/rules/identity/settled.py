"""What is done already: the receipt that settles an experiment, and what is to be said of it."""

from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.receipts import DataVersion, Run
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import stem_of
from ml_pipeline.rules.identity.awaited import settled_by
from ml_pipeline.rules.identity.hashes import data_identity


def settling_receipt(snapshot: Snapshot, experiment: Experiment) -> Run | DataVersion | None:
    """The receipt after which nothing of an experiment is left to do.

    It is that of its run, or of data whose preparation failed.
    """
    run = settled_by(snapshot, experiment)
    if run:
        return run
    data = snapshot.data.get(data_identity(experiment))
    return data if data and data.data is None else None


def receipt_line(snapshot: Snapshot, receipt: Run | DataVersion) -> str:
    """One line about a receipt: how it ended, where it is, and how to try again where it failed."""
    path = receipt_path(snapshot, receipt)
    if isinstance(receipt, Run) and receipt.outcome == "succeeded":
        metrics = [f"{name} {value:.4g}" for name, value in receipt.metrics.items()]
        said = ", ".join(metrics) or "no metrics"
        return f"trained already, {path} is its receipt ({said}); nothing runs"
    what = "failed" if isinstance(receipt, Run) else "its data failed"
    reason = (receipt.reason or "no reason is known").splitlines()[0]
    return f"{what}, {path} is the receipt: {reason}; to try again, `ml-pipeline withdraw {path}`"


def receipt_path(snapshot: Snapshot, receipt: Run | DataVersion) -> str:
    """Path of a receipt."""
    paths = snapshot.paths.get(type(receipt), [])
    return next(path for path in paths if stem_of(path) == receipt.id)


def why_no_jobs(snapshot: Snapshot, environment: str) -> str:
    """Why an environment has no Jobs: none are asked for, or are still to come, or all settled."""
    number = 0
    waiting: list[str] = []
    failed: list[str] = []
    for experiment in snapshot.experiments.values():
        if experiment.environment != environment:
            continue
        number += 1
        receipt = settling_receipt(snapshot, experiment)
        if receipt is None:
            waiting.append(experiment.name)
        elif not (isinstance(receipt, Run) and receipt.outcome == "succeeded"):
            failed.append(f"{experiment.name} {receipt_line(snapshot, receipt)}")
    if not number:
        return f"no Jobs: no experiment trains in {environment}; `ml-pipeline new` makes one"
    if waiting:
        verb = "wait" if len(waiting) > 1 else "waits"
        head = f"no Jobs yet: {', '.join(waiting)} {verb} to be applied"
    else:
        head = f"no Jobs: {number - len(failed)} of {number} experiments have trained"
    return "\n".join([head, *failed])
