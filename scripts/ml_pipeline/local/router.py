"""Envoy in front of all predictors: weights by route, changed by files that are replaced whole, never by a restart."""

import json
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from ml_pipeline.adapters.files import write_whole
from ml_pipeline.local.state import State

_TYPE = "type.googleapis.com/envoy"
# Fine enough for a p99 of milliseconds: each bound is 20 % above the one before, 0.5 ms to 20 s.
BUCKETS = [round(0.5 * 1.2**n, 4) for n in range(59)]
# A prediction has no side effect, so a request whose connection broke is sent again.
RETRIES = {"retry_on": "connect-failure,refused-stream,reset", "num_retries": 3}
# MLServer closes connections that were idle for 5 s; Envoy lets go of them first, or a request could meet the closing.
IDLE_TIMEOUT = "2s"


@dataclass(frozen=True)
class Route:
    """Traffic of one model: a path prefix, and relative weights by cluster."""

    prefix: str
    weights: dict[str, int]


@dataclass
class Router:
    """The configuration files of one Envoy."""

    state: State
    admin_port: int
    port: int
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
            "--use-dynamic-base-id",
        ]

    def prepare(self) -> None:
        """Write the bootstrap and, where nothing serves yet, empty clusters and routes."""
        self._written.clear()
        self._write("bootstrap", self._bootstrap())
        self.set_clusters({})
        self.set_routes([])

    def set_clusters(self, ports: dict[str, int]) -> bool:
        """Where each cluster's server listens; True if anything changed."""
        return self._discover("cds", [_cluster(name, port) for name, port in sorted(ports.items())])

    def set_routes(self, routes: list[Route]) -> bool:
        """Who gets which share; True if anything changed."""
        table = {
            "name": "local",
            "virtual_hosts": [
                {"name": "all", "domains": ["*"], "routes": [_route(r) for r in routes]}
            ],
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
        }
        chain = {"filters": [{"name": "http", "typed_config": manager}]}
        buckets = {"match": {"prefix": "cluster."}, "buckets": BUCKETS}
        return {
            "node": {"id": "local", "cluster": "local"},
            "admin": {"address": _address(self.admin_port)},
            "stats_config": {"histogram_bucket_settings": [buckets]},
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


def _route(route: Route) -> dict[str, Any]:
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
        "timeout": "30s",
        "retry_policy": RETRIES,
    }
    return {"match": {"prefix": route.prefix}, "route": action}
