"""Whether the services of the embedded environment answer, for who waits until it is up."""

import urllib.request

from ml_pipeline.environments.embedded.state import State

_SECONDS = 1.0


def mlflow_answers(state: State) -> bool:
    """Whether MLflow of this environment takes requests."""
    ports = state.read("endpoints")
    try:
        address = f"http://127.0.0.1:{ports['mlflow']}/health"
        with urllib.request.urlopen(address, timeout=_SECONDS) as answer:
            return bool(answer.status == 200)
    except (OSError, TypeError):  # TypeError: no port is known yet
        return False
