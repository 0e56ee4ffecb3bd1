"""What callers of the endpoint get: which addresses are routed, and what all others are told.

Only what is named here reaches a predictor: inference, metadata and health of a promoted model.
Whatever else a server may offer, such as unloading its model, is answered by Envoy.
"""

from dataclasses import dataclass

from ml_pipeline.environments.embedded.state import Json

# A prediction has no side effect, so a request whose connection broke is sent again.
RETRIES = {"retry_on": "connect-failure,refused-stream,reset", "num_retries": 3}
RETRY_AFTER_SECONDS = 2
BODY_BYTES, HEADER_KIB = 16 * 2**20, 32
BUFFER = "buffer"  # the name under which the router has Envoy's filter of that kind
# A predictor gets a request when all of it is there: whoever sends slowly keeps none waiting.
_WHOLE = {
    "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.BufferPerRoute",
    "buffer": {"max_request_bytes": BODY_BYTES},
}
HOSTS = ("127.0.0.1", "localhost")
_NOT_READY = "the model is not ready; try again"
_LOST = "the server of the model has ended or is not ready; try again"
_UNKNOWN = "no model is promoted at this address; `ml-pipeline status` lists those that are"
_STARTING = "the environment is starting and does not know its models yet; try again"
_FOREIGN = (
    f"this endpoint answers to the hosts {' and '.join(HOSTS)} only; send one of them as Host"
)


@dataclass(frozen=True)
class Route:
    """Traffic of one model: a path prefix, and relative weights by cluster.

    There are none while no predictor is ready.
    """

    prefix: str
    model: str
    weights: dict[str, int]


def ready_path(model: str) -> str:
    """Where a predictor says whether its model is ready."""
    return f"/v2/models/{model}/ready"


def virtual_hosts(routes: list[Route] | None, timeout_seconds: float) -> list[Json]:
    """Who is answered what; `routes` is None while nobody knows which models there are."""
    answers = []
    for route in routes or ():
        answers += _answers(route, timeout_seconds)
    others = _says(503, _STARTING) if routes is None else _says(404, _UNKNOWN)
    # Last, as Envoy takes the first that matches.
    answers.append({"match": {"prefix": "/"}, **others})
    # A page of a foreign site whose name is made to resolve to this machine sends it as Host.
    foreign = {"match": {"prefix": "/"}, **_says(421, _FOREIGN)}
    return [
        {"name": "endpoint", "domains": list(HOSTS), "routes": answers},
        {"name": "foreign", "domains": ["*"], "routes": [foreign]},
    ]


def local_replies(timeout_seconds: float) -> Json:
    """Every answer of Envoy's own as one line of JSON that says what to do."""
    waited = f"{timeout_seconds:g} s"
    return {
        "mappers": [
            _mapper(400, "the request is no well-formed HTTP, or its path has an escaped slash"),
            _mapper(403, "this endpoint upgrades no connection"),
            _mapper(408, f"the request did not arrive whole within {waited}"),
            _mapper(413, f"the body is larger than {BODY_BYTES // 2**20} MiB; send fewer rows"),
            _mapper(426, "the request is older than HTTP/1.1; use that"),
            _mapper(431, f"the path and headers are larger than {HEADER_KIB} KiB; send less"),
            _mapper(502, "the server of the model gave no well-formed answer; try again"),
            _mapper(504, f"the model did not answer within {waited}; send fewer rows or try again"),
            _flagged(404, _UNKNOWN),
            {**_flagged(503, _LOST), "headers_to_add": [_retry_later()]},
            {"filter": status("EQ", 503), "headers_to_add": [_retry_later()]},
        ],
        "body_format": {"json_format": {"error": "%LOCAL_REPLY_BODY%"}},
    }


def status(comparison: str, code: int) -> Json:
    """A filter on the status."""
    # Envoy wants a key by which its runtime could change the value; nobody sets it.
    value = {"default_value": code, "runtime_key": "unused"}
    return {"status_code_filter": {"comparison": {"op": comparison, "value": value}}}


def _mapper(code: int, text: str) -> Json:
    return {"filter": status("EQ", code), "body": {"inline_string": text}}


def _flagged(code: int, text: str) -> Json:
    """What no route has answered, such as CONNECT, or a lost predictor; others say already why."""
    both = {"filters": [status("EQ", code), {"response_flag_filter": {}}]}
    return {**_mapper(code, text), "filter": {"and_filter": both}}


def _answers(route: Route, timeout_seconds: float) -> list[Json]:
    """Each address of a model by its method; other methods and addresses are told so."""
    model = f"/v2/models/{route.model}"
    addresses = {
        f"{model}/infer": "POST",
        model: "GET",
        ready_path(route.model): "GET",
        "/v2/health/live": "GET",
        "/v2/health/ready": "GET",
        "/v2": "GET",
    }
    answers = []
    for path, method in addresses.items():
        match = {"path": f"{route.prefix.removesuffix('/')}{path}"}
        by_method = {"name": ":method", "string_match": {"exact": method}}
        action = _action(route, path, timeout_seconds)
        answers.append({"match": {**match, "headers": [by_method]}, **action})
        answers.append({"match": match, **_wrong_method(method)})
    text = f"the model {route.model} has no such address; POST {model}/infer asks it"
    answers.append({"match": {"prefix": route.prefix}, **_says(404, text)})
    return answers


def _action(route: Route, path: str, timeout_seconds: float) -> Json:
    if not route.weights:
        return _says(503, _NOT_READY)
    shares = [_share(name, weight) for name, weight in sorted(route.weights.items())]
    action = {
        "weighted_clusters": {"clusters": shares},
        "prefix_rewrite": path,
        "timeout": f"{timeout_seconds:g}s",
        "retry_policy": RETRIES,
    }
    return {"route": action, "typed_per_filter_config": {BUFFER: _WHOLE}}


def _share(name: str, weight: int) -> Json:
    """What one cluster gets, and how its callers see who has answered: without the template."""
    who = _header("x-predictor", name.rpartition("-")[0])
    return {"name": name, "weight": weight, "response_headers_to_add": [who]}


def _wrong_method(method: str) -> Json:
    allowed = {"response_headers_to_add": [_header("allow", method)]}
    return {**_says(405, f"this address takes {method} only"), **allowed}


def _says(code: int, text: str) -> Json:
    """An answer of Envoy's own."""
    return {"direct_response": {"status": code, "body": {"inline_string": text}}}


def _header(key: str, value: str) -> Json:
    """A header that stands once, whatever the predictor has set."""
    return {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _retry_later() -> Json:
    """Every 503 of Envoy's own passes: no predictor is ready, or the one that was has ended."""
    return _header("retry-after", str(RETRY_AFTER_SECONDS))
