"""Envoy in front of all predictors: weights by route, changed by files that are replaced whole, never by a restart."""

import json
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from ml_pipeline.adapters.files import write_whole
from ml_pipeline.adapters.metrics import STATS
from ml_pipeline.local.state import State

_TYPE = "type.googleapis.com/envoy"
# Fine enough for a p99 of milliseconds: each bound is 20 % above the one before, 0.5 ms to 40 s.
BUCKETS = [round(0.5 * 1.2**n, 4) for n in range(63)]
# A prediction has no side effect, so a request whose connection broke is sent again.
RETRIES = {"retry_on": "connect-failure,refused-stream,reset", "num_retries": 3}
# MLServer closes connections that were idle for 5 s; Envoy lets go of them first, or a request could meet the closing.
IDLE_TIMEOUT = "2s"
RETRY_AFTER_SECONDS = 2
_NOT_READY = "the model is not ready yet; try again"
_UNKNOWN = "no model is promoted at this address; `ml-pipeline status` lists those that are"
_STARTING = "the environment is starting and does not know its models yet; try again"


@dataclass(frozen=True)
class Route:
    """Traffic of one model: a path prefix, and relative weights by cluster; none while no predictor is ready."""

    prefix: str
    weights: dict[str, int]


@dataclass
class Router:
    """The configuration files of one Envoy."""

    state: State
    admin_port: int
    port: int
    timeout_seconds: float = 30.0
    _version: int = 0
    _written: dict[str, str] = field(default_factory=dict)

    @property
    def admin(self) -> str:
        """Address of the admin interface."""
        return f"http://127.0.0.1:{self.admin_port}"

    def command(self, envoy: str) -> list[str]:
        """How to start Envoy with these files."""
        return [
            envoy,
            "-c",
            str(self.state.root / "envoy" / "bootstrap.json"),
            "--concurrency",
            "1",
            "-l",
            "warning",
            "--disable-hot-restart",  # nobody uses it, and its shared memory outlives a kill
        ]

    def prepare(self) -> None:
        """Write the bootstrap, no clusters, and no routes but an answer that says so."""
        self._written.clear()
        self._write("bootstrap", self._bootstrap())
        self.set_clusters({})
        self.set_routes(None)

    def set_clusters(self, ports: dict[str, int]) -> bool:
        """Where each cluster's server listens; True if anything changed."""
        return self._discover("cds", [_cluster(name, port) for name, port in sorted(ports.items())])

    def set_routes(self, routes: list[Route] | None) -> bool:
        """Who gets which share, None while that is not known; True if anything changed."""
        found = [_route(route, self.timeout_seconds) for route in routes or []]
        others = _says(503, _STARTING) if routes is None else _says(404, _UNKNOWN)
        found.append({"match": {"prefix": "/"}, **others})
        table = {
            "name": "local",
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": found}],
        }
        return self._discover(
            "rds", [{"@type": f"{_TYPE}.config.route.v3.RouteConfiguration", **table}]
        )

    def known_clusters(self) -> set[str]:
        """Clusters that Envoy has loaded; none while it does not answer."""
        try:
            with urllib.request.urlopen(f"{self.admin}/clusters", timeout=1) as answer:
                return {line.partition("::")[0] for line in answer.read().decode().splitlines()}
        except OSError:
            return set()

    def _discover(self, name: str, resources: list[dict[str, Any]]) -> bool:
        content = json.dumps(resources)
        if self._written.get(name) == content:
            return False
        self._version += 1
        self._write(name, {"version_info": str(self._version), "resources": resources})
        self._written[name] = content
        return True

    def _write(self, name: str, data: dict[str, Any]) -> None:
        write_whole(self.state.root / "envoy" / f"{name}.json", json.dumps(data, indent=1).encode())

    def _source(self, name: str) -> dict[str, Any]:
        return {
            "resource_api_version": "V3",
            "path_config_source": {"path": str(self.state.root / "envoy" / f"{name}.json")},
        }

    def _bootstrap(self) -> dict[str, Any]:
        router = {
            "name": "router",
            "typed_config": {"@type": f"{_TYPE}.extensions.filters.http.router.v3.Router"},
        }
        manager = {
            "@type": f"{_TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "ingress",
            "rds": {"route_config_name": "local", "config_source": self._source("rds")},
            "http_filters": [router],
            "access_log": _statistics(),
            "local_reply_config": {"mappers": [_retry_later()]},
        }
        chain = {"filters": [{"name": "http", "typed_config": manager}]}
        buckets = {"match": {"prefix": STATS}, "buckets": BUCKETS}
        return {
            "node": {"id": "local", "cluster": "local"},
            "admin": {"address": _address(self.admin_port)},
            "stats_config": {"histogram_bucket_settings": [buckets]},
            # Otherwise latencies are added up every 5 s, and a step would begin with those of the one before.
            "stats_flush_on_admin": True,
            "dynamic_resources": {"cds_config": self._source("cds")},
            "static_resources": {
                "listeners": [
                    {"name": "endpoint", "address": _address(self.port), "filter_chains": [chain]}
                ]
            },
        }


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _cluster(name: str, port: int) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address(port)}}
    options = f"{_TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions"
    upstream = {
        "common_http_protocol_options": {"idle_timeout": IDLE_TIMEOUT},
        "explicit_http_config": {"http_protocol_options": {}},
    }
    return {
        "@type": f"{_TYPE}.config.cluster.v3.Cluster",
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            options.removeprefix("type.googleapis.com/"): {"@type": options, **upstream}
        },
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _route(route: Route, timeout_seconds: float) -> dict[str, Any]:
    match = {"prefix": route.prefix}
    if not route.weights:
        return {"match": match, **_says(503, _NOT_READY)}
    clusters = [
        {
            "name": name,
            "weight": weight,
            "response_headers_to_add": [
                {"header": {"key": "x-predictor", "value": name.rpartition("-")[0]}}
            ],
        }
        for name, weight in sorted(route.weights.items())
    ]
    action = {
        "weighted_clusters": {"clusters": clusters},
        "prefix_rewrite": "/",
        "timeout": f"{timeout_seconds:g}s",
        "retry_policy": RETRIES,
    }
    return {"match": match, "route": action}


def _says(status: int, text: str) -> dict[str, Any]:
    """An answer of Envoy's own."""
    return {"direct_response": {"status": status, "body": {"inline_string": f"{text}\n"}}}


def _statistics() -> list[dict[str, Any]]:
    """What adapters/metrics.py reads: each request when it is over, and how long the right answers took."""
    predictor = {"name": "predictor", "value_format": "%UPSTREAM_CLUSTER%"}
    outcome = [
        {"name": "code", "value_format": "%RESPONSE_CODE%"},
        {"name": "flags", "value_format": "%RESPONSE_FLAGS%"},
    ]
    requests = {"stat": {"name": "requests", "tags": [predictor, *outcome]}, "value_fixed": 1}
    milliseconds = {
        "stat": {"name": "milliseconds", "tags": [predictor]},
        "value_format": "%DURATION%",
        "unit": "Milliseconds",
    }
    right = {"and_filter": {"filters": [_status("GE", 200), _status("LE", 399)]}}
    return [
        _stats_logger({"counters": [requests]}),
        {**_stats_logger({"histograms": [milliseconds]}), "filter": right},
    ]


def _stats_logger(stats: dict[str, Any]) -> dict[str, Any]:
    kind = f"{_TYPE}.extensions.access_loggers.stats.v3.Config"
    scope = {"prefix": STATS}
    return {
        "name": "envoy.access_loggers.stats",
        "typed_config": {"@type": kind, "stats_scope": scope, **stats},
    }


def _status(comparison: str, status: int) -> dict[str, Any]:
    """A filter on the status. Envoy wants a key by which its runtime could change the number; none is set."""
    value = {"default_value": status, "runtime_key": "unused"}
    return {"status_code_filter": {"comparison": {"op": comparison, "value": value}}}


def _retry_later() -> dict[str, Any]:
    """Every 503 of Envoy's own passes: no predictor is ready, or the one that was has just ended."""
    header = {"key": "retry-after", "value": str(RETRY_AFTER_SECONDS)}
    return {"filter": _status("EQ", 503), "headers_to_add": [{"header": header}]}
