"""A real MLflow server, as `ml-pipeline up` starts it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ml_pipeline.environments.embedded.state import free_port

from trainer.config import LoginError
from trainer.tracking import wait_for


@contextmanager
def mlflow_server(folder: Path, *options: str, **variables: str) -> Iterator[str]:
    """Its address, while it runs on a database in a folder; with more options and environment variables."""
    port = free_port()
    command = [f"{sys.prefix}/bin/mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--serve-artifacts"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/db"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    command += options
    (folder / "tmp").mkdir(exist_ok=True)
    environ = {
        **os.environ,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "TMPDIR": str(folder / "tmp"),
        **variables,
    }
    server = subprocess.Popen(
        command,
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        with suppress(LoginError):  # it answers
            wait_for(f"http://127.0.0.1:{port}", 120)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
