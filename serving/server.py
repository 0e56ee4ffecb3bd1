"""`python -m serving.server start FOLDER`: MLServer, of which callers get no more than the model.

It offers inference, metadata and health. MLServer would also load and unload models for whoever
asks, over HTTP and gRPC, show its own pages, and answer at addresses of MLflow's server. Errors are
one line of JSON without traceback or paths.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import mlserver.rest.server as rest
import mlserver.server as servers
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from mlserver.cli import main
from mlserver.rest.errors import _EXCEPTION_HANDLERS
from mlserver.rest.responses import Response
from mlserver.settings import Settings
from starlette.middleware.trustedhost import TrustedHostMiddleware

from serving.runtime import taken

OFFERED = {
    "/v2",
    "/v2/health/live",
    "/v2/health/ready",
    *(
        f"/v2/models/{{model_name}}{version}{address}"
        for version in ("", "/versions/{model_version}")
        for address in ("", "/ready", "/infer")
    ),
}
OWN_HOSTS = ["127.0.0.1", "localhost"]
_create_app = rest.create_app


class NoServer:
    """Stands where MLServer has its gRPC server, whose one
    service also loads and unloads models."""

    def __init__(self, *_: Any) -> None:
        pass

    async def start(self) -> None:
        """Nothing to start."""

    async def stop(self, sig: int | None = None) -> None:
        """Nothing to stop."""


def create_app(settings: Settings, **parts: Any) -> FastAPI:
    """MLServer's application with the addresses in OFFERED; on a machine's own interface only for
    callers that name it: a page in a browser, whose name resolves to here, sends that name."""
    app = _create_app(settings, **parts)
    app.router.routes[:] = [route for route in app.router.routes if route.path in OFFERED]
    app.router.redirect_slashes = False
    if _is_loopback(settings.host):
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=OWN_HOSTS)
    return app


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def refuse_unreadable(request: Request, error: RequestValidationError) -> Response:
    """What is no JSON, or no request of the v2 protocol, is the caller's fault."""
    return _refusal(request, _place_and_rule(error.errors()[0]))


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
        Exception: fail,
    }
)
rest.create_app = create_app
rest.get_custom_handlers = lambda _: []  # those of MLflow's runtime, such as /invocations
servers.GRPCServer = NoServer

if __name__ == "__main__":
    main()
