"""MLflow: one experiment for each model, one run for each identity however often the process starts, and a receipt as
its last artifact. MLflow is imported where it is needed: it takes seconds."""

import json
import logging
import os
import time
import urllib.error
import urllib.request
from pathlib import PurePosixPath
from typing import Any

from trainer.config import Config

for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}.items():
    os.environ.setdefault(_name, _value)

log = logging.getLogger("trainer")
RECEIPT = "receipt.json"
IDENTITY = "identity"
# MLflow marks whatever is open at exit as FINISHED, a stopped training too; this tag is set after the receipt alone.
SETTLED = "settled"
REASON = "reason"
# What makes the page of an experiment open on its training runs, not on an invitation to trace a chat model.
KIND, TRAINING = "mlflow.experimentKind", "custom_model_development"
DATA = "data"
WAIT_SECONDS = 600.0


def wait_for(uri: str, seconds: float = WAIT_SECONDS) -> None:
    """Wait until the MLflow server answers.

    Raises:
        ConnectionError: it does not within that time.
    """
    end, told = time.monotonic() + seconds, False
    while True:
        try:
            with urllib.request.urlopen(f"{uri}/health", timeout=5):
                return
        except (OSError, urllib.error.URLError) as error:
            if time.monotonic() > end:
                raise ConnectionError(
                    f"MLflow at {uri} does not answer ({error}); start it, the run continues from its checkpoint"
                ) from error
            if not told:
                log.info("waiting for MLflow at %s", uri)
                told = True
            time.sleep(0.3)


def finished_run(identity: str) -> str | None:
    """The MLflow run that has finished this identity, None where there is none; whatever experiment it is in."""
    import mlflow

    runs = mlflow.MlflowClient().search_runs(
        [e.experiment_id for e in mlflow.search_experiments()],
        filter_string=f"tags.{IDENTITY} = '{identity}' and tags.{SETTLED} = 'true'",
        max_results=1,
    )
    return runs[0].info.run_id if runs else None


def open_run(config: Config, known: str | None = None) -> str:
    """Start the MLflow run of this identity, or go on with the one that a checkpoint knows."""
    import mlflow

    if known and _resumed(known):
        return known
    preparing = config.command == "prepare"
    experiment = mlflow.set_experiment(DATA if preparing else config.model_name)
    if KIND not in experiment.tags:
        mlflow.set_experiment_tag(KIND, TRAINING)
    tags = {
        IDENTITY: config.around.identity,
        "image_digest": config.around.image_digest,
        "data_sha256": config.around.data_sha256,
    }
    if preparing:
        tags["source"] = config.source
    else:
        tags |= {"experiment": config.experiment, "model": config.model_name}
    name = f"{DATA if preparing else config.experiment}-{config.around.identity[:10]}"
    return str(mlflow.start_run(run_name=name, tags=tags, log_system_metrics=False).info.run_id)


def _resumed(run_id: str) -> bool:
    """Go on with a run; False where MLflow has it no more, as after its database was made anew."""
    import mlflow

    try:
        run = mlflow.start_run(run_id=run_id, log_system_metrics=False)
    except mlflow.exceptions.MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False
    if REASON in run.data.tags:
        mlflow.delete_tag(REASON)
    return True


def log_dataset(run: str, config: Config, rows: int) -> None:
    """Name the prepared data as an input of the run, without the packages that mlflow.data imports."""
    import mlflow
    from mlflow.entities import Dataset, DatasetInput, InputTag

    scheme = config.around.data_uri.partition("://")[0]
    dataset = Dataset(
        name=PurePosixPath(config.around.data_uri).stem,
        digest=config.around.data_sha256[:32],  # MLflow keeps 36 characters
        source_type={"file": "local", "https": "http"}.get(scheme, scheme),
        source=json.dumps({"uri": config.around.data_uri}),
        profile=json.dumps({"num_rows": rows}),
    )
    context = InputTag("mlflow.data.context", "training")
    mlflow.MlflowClient().log_inputs(run, [DatasetInput(dataset, [context])])


def leave_receipt(config: Config, receipt: dict[str, Any]) -> None:
    """Record a result in a run of its own."""
    open_run(config)
    close_run(receipt)


def close_run(receipt: dict[str, Any]) -> None:
    """Log the receipt, then mark the run settled: who sees the second finds the first.

    Raises:
        ValueError: a number of the receipt is not finite.
    """
    import mlflow

    mlflow.log_text(json.dumps(receipt, indent=2, allow_nan=False), RECEIPT)
    mlflow.set_tag(SETTLED, "true")
    mlflow.end_run("FINISHED")


def interrupt_run() -> None:
    """Say that the run was stopped and goes on later."""
    import mlflow

    mlflow.end_run("KILLED")


def record_failure(config: Config, reason: str) -> None:
    """Say in MLflow that the run has failed and why; where it does not answer, the log and the Job have said it."""
    try:
        wait_for(config.around.tracking_uri, 0)
    except ConnectionError:
        return
    import mlflow

    try:
        if mlflow.active_run() is None:
            open_run(config)
        mlflow.set_tag(REASON, reason)
        mlflow.end_run("FAILED")
    except mlflow.exceptions.MlflowException as error:
        log.warning("MLflow does not take the reason: %s", error)
