"""Whether the services of the embedded environment answer, for who waits until it is up."""

from ml_pipeline.adapters import admin, http, processes
from ml_pipeline.environments.embedded import records
from ml_pipeline.environments.embedded.router import ADMIN
from ml_pipeline.environments.embedded.state import State

_SECONDS = 1.0
_LIMIT = 1024  # bytes; it says OK


def silent_service(state: State) -> str:
    """The first service that does not answer, empty where each does.

    Raises:
        DamagedStateError: nobody knows where they listen.
    """
    answers = {"mlflow": _mlflow_answers, "envoy": _envoy_answers, "reconcile": _reconcile_runs}
    return next((name for name, answer in answers.items() if not answer(state)), "")


def _mlflow_answers(state: State) -> bool:
    request = http.Request(f"http://127.0.0.1:{records.addresses(state).mlflow}/health")
    try:
        answer = http.send(request, seconds=_SECONDS, limit=_LIMIT)
    except http.NoAnswerError:
        return False
    return answer.status == 200


def _envoy_answers(state: State) -> bool:
    try:
        # Any other answer than 200 is none: it starts, or ends.
        admin.get(state.root / ADMIN, "/ready", seconds=_SECONDS)
    except http.NoAnswerError:
        return False
    return True


def _reconcile_runs(state: State) -> bool:
    """It has no address: that its process is there is all that can be asked."""
    status = records.pod_status(state, "reconcile")
    # The file of one that was killed says that it runs.
    return bool(status and status.is_running and status.shim and processes.is_alive(status.shim))
