"""`python -m serving.server start FOLDER`: MLServer, whose errors are one line of JSON without traceback or paths."""

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from mlflow.exceptions import MlflowException
from mlserver.cli import main
from mlserver.rest.errors import _EXCEPTION_HANDLERS
from mlserver.rest.responses import Response

from serving.runtime import CALLERS_FAULTS, taken


async def refuse_unreadable(request: Request, error: RequestValidationError) -> Response:
    """What is no JSON, or no request of the v2 protocol, is the caller's fault."""
    return _refusal(request, _place_and_rule(error.errors()[0]))


async def refuse_or_fail(request: Request, error: MlflowException) -> Response:
    """MLflow's own endpoints, such as /invocations, say by a code whose fault it is."""
    if error.error_code in CALLERS_FAULTS:
        return _refusal(request, str(error).strip().partition("\n")[0])
    return await fail(request, error)


async def fail(_: Request, error: Exception) -> Response:
    """Whatever else is raised is the model's fault; the log of the server has the traceback."""
    text = f"the model failed to answer ({type(error).__name__}); the log of its server says why"
    return Response(status_code=500, content={"error": text})


def _refusal(request: Request, reason: str) -> Response:
    name = request.path_params.get("model_name", "")
    text = f"{reason}; {taken.get(name, f'GET /v2/models/{name} says what the model takes')}"
    return Response(status_code=400, content={"error": text})


def _place_and_rule(error: Mapping[str, Any]) -> str:
    """One of pydantic's errors in one line."""
    if error["type"] == "json_invalid":
        return f"the request is no JSON from character {error['loc'][-1]} on"
    place = ".".join(str(part) for part in error["loc"] if part != "body")
    rule = str(error["msg"]).partition("\n")[0]
    return f"{place}: {rule}" if place else f"the request: {rule}"


_EXCEPTION_HANDLERS.update(
    {
        RequestValidationError: refuse_unreadable,
        MlflowException: refuse_or_fail,
        Exception: fail,
    }
)

if __name__ == "__main__":
    main()
