"""Whether the services of the embedded environment answer, for who waits until it is up."""

from ml_pipeline.adapters import http
from ml_pipeline.environments.embedded import records
from ml_pipeline.environments.embedded.state import State

_SECONDS = 1.0
_LIMIT = 1024  # bytes; it says OK


def mlflow_answers(state: State) -> bool:
    """Whether MLflow of this environment takes requests."""
    ports = records.endpoints(state)
    if ports is None:
        return False
    request = http.Request(f"http://127.0.0.1:{ports.mlflow}/health")
    try:
        answer = http.send(request, seconds=_SECONDS, limit=_LIMIT)
    except http.NoAnswerError:
        return False
    return answer.status == 200
