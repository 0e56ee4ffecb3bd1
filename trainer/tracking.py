"""MLflow: one run for each identity, however often the process is started, and a receipt as its last artifact."""

import json
import logging
import os
import time
import urllib.error
import urllib.request
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
    """The MLflow run that has finished this identity, None where there is none."""
    import mlflow

    runs = mlflow.MlflowClient().search_runs(
        [e.experiment_id for e in mlflow.search_experiments()],
        filter_string=f"tags.{IDENTITY} = '{identity}' and tags.{SETTLED} = 'true'",
        max_results=1,
    )
    return runs[0].info.run_id if runs else None


def open_run(experiment: str, name: str, config: Config, known: str | None = None) -> str:
    """Start the MLflow run of this identity, or go on with the one that a checkpoint knows."""
    import mlflow

    mlflow.set_experiment(experiment)
    if known:
        mlflow.start_run(run_id=known, log_system_metrics=False)
        return known
    tags = {
        IDENTITY: config.around.identity,
        "image_digest": config.around.image_digest,
        "data_sha256": config.around.data_sha256,
    }
    return str(mlflow.start_run(run_name=name, tags=tags, log_system_metrics=False).info.run_id)


def leave_receipt(experiment: str, name: str, config: Config, receipt: dict[str, Any]) -> None:
    """Record a result in a run of its own."""
    open_run(experiment, name, config)
    close_run(receipt)


def close_run(receipt: dict[str, Any]) -> None:
    """Log the receipt, then mark the run settled: who sees the second finds the first."""
    import mlflow

    mlflow.log_text(json.dumps(receipt, indent=2), RECEIPT)
    mlflow.set_tag(SETTLED, "true")
    mlflow.end_run("FINISHED")


def interrupt_run() -> None:
    """Say that the run was stopped and goes on later."""
    import mlflow

    mlflow.end_run("KILLED")
