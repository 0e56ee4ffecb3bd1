"""MLflow: one experiment for each model, one run for each identity however often the process
starts, and a receipt as its last artifact. MLflow is imported
where it is needed: it takes seconds."""

import base64
import json
import logging
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from trainer.config import Config, DataError, LoginError

for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}.items():
    os.environ.setdefault(_name, _value)

log = logging.getLogger("trainer")
RECEIPT = "receipt.json"
IDENTITY = "identity"
# MLflow marks whatever is open at exit as FINISHED, a stopped training too;
# this tag is set after the receipt alone.
SETTLED = "settled"
REASON = "reason"
# What makes the page of an experiment open on its training runs, not
# on an invitation to trace a chat model.
KIND, TRAINING = "mlflow.experimentKind", "custom_model_development"
DATA = "data"
WAIT_SECONDS = 600.0
MAX_RECEIPT = 1024 * 1024  # bytes; more are not read back by anybody
_DENIED, _GONE = (401, 403), 404  # HTTP status


def wait_for(uri: str, seconds: float = WAIT_SECONDS) -> None:
    """Wait until the MLflow server answers, and lets us in.

    Raises:
        ConnectionError: it does not answer within that time.
        LoginError: it answers, and refuses the login.
    """
    end, told = time.monotonic() + seconds, ""
    while True:
        trouble = _trouble(uri)
        if trouble is None:
            return
        if time.monotonic() > end:
            raise trouble
        if str(trouble) != told:
            log.info("waiting for MLflow: %s", trouble)
            told = str(trouble)
        time.sleep(0.3)


def _trouble(uri: str) -> LoginError | ConnectionError | None:
    """Why MLflow cannot be used at the moment. Whoever may see its health need not be let in."""
    try:
        _get(f"{uri}/health")
        _get(f"{uri}/api/2.0/mlflow/experiments/search?max_results=1")
    except urllib.error.HTTPError as error:
        if error.code in _DENIED:
            return LoginError(
                f"MLflow at {uri} refuses the login ({error.code}); "
                "correct the Secret that tracking.secret of "
                "environment.yaml names, the run continues from its checkpoint"
            )
        return _silent(uri, error)
    except OSError as error:
        return _silent(uri, error)
    return None


def _silent(uri: str, error: OSError) -> ConnectionError:
    return ConnectionError(
        f"MLflow at {uri} does not answer ({error}); start it, the run continues from its "
        "checkpoint"
    )


def _get(url: str) -> bytes:
    """What MLflow answers, a little more than the largest
    receipt at most; logged in as its client is."""
    request = urllib.request.Request(url)
    username, password, token = (
        os.environ.get(f"MLFLOW_TRACKING_{part}") for part in ("USERNAME", "PASSWORD", "TOKEN")
    )
    if username and password:
        login = base64.b64encode(f"{username}:{password}".encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {login}")
    elif token:
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=5) as answer:
        content: bytes = answer.read(MAX_RECEIPT + 1)
        return content


def receipt_of(uri: str, run: str) -> bytes | None:
    """The receipt of a run as MLflow has it now; None where it has no such run
    any more, or none in use, or no receipt.

    Raises:
        ConnectionError: it does not answer.
    """
    query = urllib.parse.urlencode({"path": RECEIPT, "run_uuid": run})
    try:
        info = json.loads(_get(f"{uri}/api/2.0/mlflow/runs/get?run_id={run}"))["run"]["info"]
        if info["lifecycle_stage"] != "active":
            return None
        return _get(f"{uri}/get-artifact?{query}")
    except urllib.error.HTTPError as error:
        if error.code == _GONE:
            return None
        raise _silent(uri, error) from error
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise _silent(uri, OSError(error)) from error


def finished_run(identity: str) -> str | None:
    """A run that MLflow says has finished this identity, None where there is none; whatever
    experiment it is in, and whoever has written it."""
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
    """Go on with a run; False where MLflow has it no more, as after its
    database was made anew or the run was withdrawn."""
    import mlflow

    try:
        run = mlflow.get_run(run_id)
    except mlflow.exceptions.MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False
    if run.info.lifecycle_stage != "active":
        return False
    mlflow.start_run(run_id=run_id, log_system_metrics=False)
    if REASON in run.data.tags:
        mlflow.delete_tag(REASON)
    return True


def log_dataset(run: str, config: Config, rows: int) -> None:
    """Name the prepared data as an input of the run, without
    the packages that mlflow.data imports."""
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


@contextmanager
def logged_model(path: Path) -> Iterator[tuple[Any, str]]:
    """A model of the open run: its description, for MLflow to save below `path`, and where it will
    lie. What is saved in the block is uploaded at its end, as `log_model` does, which lets nobody
    see the bytes before."""
    import mlflow
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus

    client, run = mlflow.MlflowClient(), mlflow.active_run()
    assert run is not None
    params = client.get_run(run.info.run_id).data.params
    model = client.create_logged_model(
        run.info.experiment_id, "model", source_run_id=run.info.run_id, params=params
    )
    client.log_outputs(run.info.run_id, [LoggedModelOutput(model.model_id, step=0)])
    names = {"model_id": model.model_id, "model_uuid": model.model_id, "run_id": run.info.run_id}
    yield (
        mlflow.models.Model(artifact_path=model.artifact_location, **names),
        model.artifact_location,
    )
    client.log_model_artifacts(model.model_id, str(path))
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)


def leave_receipt(receipt: dict[str, Any]) -> bytes:
    """Log the receipt of the open run; its bytes.

    Raises:
        ValueError: a number of the receipt is not finite.
        DataError: nobody would read as much.
    """
    import mlflow

    text = json.dumps(receipt, indent=2, allow_nan=False)
    if len(text) > MAX_RECEIPT:
        raise DataError(
            f"{RECEIPT} has {len(text)} bytes, {MAX_RECEIPT} are read; use fewer columns"
        )
    mlflow.log_text(text, RECEIPT)
    return text.encode()


def settle(run: str) -> None:
    """Mark a run as settled and end it, unless it is."""
    import mlflow

    client = mlflow.MlflowClient()
    found = client.get_run(run)
    if found.data.tags.get(SETTLED) != "true":
        client.set_tag(run, SETTLED, "true")
    if mlflow.active_run():
        mlflow.end_run("FINISHED")
    elif found.info.status != "FINISHED":
        client.set_terminated(run, "FINISHED")


def interrupt_run() -> None:
    """Say that the run was stopped and goes on later."""
    import mlflow

    mlflow.end_run("KILLED")


def record_failure(config: Config, reason: str) -> None:
    """Say in MLflow that the run has failed and why; where it does not
    answer, the log and the Job have said it."""
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
