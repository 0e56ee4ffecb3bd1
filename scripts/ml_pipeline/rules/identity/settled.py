"""What is done already: the receipt that settles what an experiment asks for, and what is to be said of it."""

from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.receipts import DataVersion, Run
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.identity.awaited import settled_by
from ml_pipeline.rules.identity.hashes import data_identity


def settling_receipt(snapshot: Snapshot, experiment: Experiment) -> Run | DataVersion | None:
    """The receipt after which nothing of an experiment is left to do: of its run, or of data that failed."""
    run = settled_by(snapshot, experiment)
    data = snapshot.data.get(data_identity(experiment))
    return run or (data if data and data.data is None else None)


def receipt_line(snapshot: Snapshot, receipt: Run | DataVersion) -> str:
    """One line about a receipt: how it ended, where it is, and how to try again where it failed."""
    path = receipt_path(snapshot, receipt)
    if isinstance(receipt, Run) and receipt.outcome == "succeeded":
        metrics = ", ".join(f"{name} {value:.4g}" for name, value in receipt.metrics.items())
        return f"trained already, {path} is its receipt ({metrics or 'no metrics'}); nothing runs"
    what = "failed" if isinstance(receipt, Run) else "its data failed"
    reason = (receipt.reason or "no reason is known").splitlines()[0]
    return f"{what}, {path} is the receipt: {reason}; to try again, `ml-pipeline withdraw {path}`"


def receipt_path(snapshot: Snapshot, receipt: Run | DataVersion) -> str:
    """Path of a receipt."""
    paths = snapshot.paths.get(type(receipt), [])
    return next(path for path in paths if path.endswith(f"/{receipt.id}.yaml"))


def why_no_jobs(snapshot: Snapshot, environment: str) -> str:
    """Why an environment has no Jobs: nobody asks for any, they are still to come, or everything is settled, and how."""
    asked = [e for e in snapshot.experiments.values() if e.environment == environment]
    receipts = {e.name: settling_receipt(snapshot, e) for e in asked}
    waiting = [name for name, receipt in receipts.items() if receipt is None]
    failed = [
        f"{name} {receipt_line(snapshot, receipt)}"
        for name, receipt in receipts.items()
        if receipt and not (isinstance(receipt, Run) and receipt.outcome == "succeeded")
    ]
    if not asked:
        return f"no Jobs: no experiment trains in {environment}; `ml-pipeline new` makes one"
    if waiting:
        head = f"no Jobs yet: {', '.join(waiting)} {'wait' if len(waiting) > 1 else 'waits'} to be applied"
    else:
        head = f"no Jobs: {len(asked) - len(failed)} of {len(asked)} experiments have trained"
    return "\n".join([head, *failed])
