"""Envoy in front of all predictors: weights by route, changed by files, never by a restart."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from ml_pipeline.adapters import admin
from ml_pipeline.adapters.files import write_whole
from ml_pipeline.adapters.http import NoAnswerError
from ml_pipeline.adapters.metrics import STATS
from ml_pipeline.environments.embedded.endpoint import (
    BODY_BYTES,
    BUFFER,
    HEADER_KIB,
    Route,
    local_replies,
    ready_path,
    status,
    virtual_hosts,
)
from ml_pipeline.environments.embedded.state import Json, State

_TYPE = "type.googleapis.com/envoy"
_NETWORK = f"{_TYPE}.extensions.filters.network"
# Fine enough for a p99 of milliseconds: each bound is 20 % above the one before, 0.5 ms to 40 s.
BUCKETS = [round(0.5 * 1.2**n, 4) for n in range(63)]
# MLServer closes connections that were idle for 5 s; Envoy lets go of them first, or a request
# could meet the closing.
IDLE_TIMEOUT = "2s"
# Envoy asks each predictor that often whether its model is ready.
PROBE_INTERVAL = "0.5s"
# Relative to the state folder, where Envoy runs: a socket's path has room for 107 bytes only.
ADMIN = "envoy/admin.sock"


@dataclass(frozen=True)
class Upstream:
    """A cluster of Envoy: where the server of one predictor listens, and which model it has."""

    name: str
    model: str
    port: int


@dataclass(frozen=True)
class Readiness:
    """What Envoy found when it last asked the server at a port whether its model is ready."""

    port: int
    ready: bool
    hangs: bool = False


@dataclass
class Router:
    """The configuration files of one Envoy, which runs in the state folder."""

    state: State
    port: int
    timeout_seconds: float = 30.0
    _version: int = 0
    _written: dict[str, str] = field(default_factory=dict)

    @property
    def admin(self) -> Path:
        """Socket of the admin interface: whoever opens it can end Envoy."""
        return self.state.root / ADMIN

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
        self.set_clusters([])
        self.set_routes(None)

    def set_clusters(self, upstreams: list[Upstream]) -> bool:
        """Where each cluster's server listens; True if anything changed."""
        # In one order, so that the same clusters are the same file.
        ordered = sorted(upstreams, key=lambda upstream: upstream.name)
        return self._discover("cds", [_cluster(each, self.timeout_seconds) for each in ordered])

    def set_routes(self, routes: list[Route] | None) -> bool:
        """Who gets which share, None while that is not known; True if anything changed."""
        table = {
            "@type": f"{_TYPE}.config.route.v3.RouteConfiguration",
            "name": "local",
            "virtual_hosts": virtual_hosts(routes, self.timeout_seconds),
        }
        return self._discover("rds", [table])

    def readiness(self) -> dict[str, Readiness] | None:
        """Of each cluster that Envoy has loaded, None while it does not answer."""
        try:
            page = admin.get(self.admin, "/clusters", seconds=1)
        except NoAnswerError:
            return None
        readiness = {}
        for line in page.splitlines():
            # Lines of a whole cluster have fewer fields than those of its one server.
            name, address, key, value = [*line.split("::"), "", "", ""][:4]
            if key == "health_flags":
                port = int(address.rpartition(":")[2])
                hangs = "active_hc_timeout" in value
                readiness[name] = Readiness(port, value == "healthy", hangs)
        return readiness

    def _discover(self, name: str, resources: list[Json]) -> bool:
        content = json.dumps(resources)
        # Ten times a second the same: Envoy is to read only what is new.
        if self._written.get(name) == content:
            return False
        self._version += 1
        self._write(name, {"version_info": str(self._version), "resources": resources})
        # After the file: where the disk refused it, the next tick tries again.
        self._written[name] = content
        return True

    def _write(self, name: str, data: Json) -> None:
        # By rename, for which Envoy watches the folder: it sees no file that is half-written.
        write_whole(self.state.root / "envoy" / f"{name}.json", json.dumps(data, indent=1).encode())

    def _source(self, name: str) -> Json:
        return {
            "resource_api_version": "V3",
            "path_config_source": {"path": str(self.state.root / "envoy" / f"{name}.json")},
        }

    def _bootstrap(self) -> Json:
        router = {
            "name": "router",
            "typed_config": {"@type": f"{_TYPE}.extensions.filters.http.router.v3.Router"},
        }
        # Off but where a route switches it on: what Envoy answers itself waits for no body.
        kind = f"{_TYPE}.extensions.filters.http.buffer.v3.Buffer"
        whole = {
            "name": BUFFER,
            "disabled": True,
            "typed_config": {"@type": kind, "max_request_bytes": BODY_BYTES},
        }
        manager = {
            "@type": f"{_NETWORK}.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "ingress",
            "rds": {"route_config_name": "local", "config_source": self._source("rds")},
            "http_filters": [whole, router],
            "access_log": _statistics(),
            "local_reply_config": local_replies(self.timeout_seconds),
            **_caution(self.timeout_seconds),
        }
        chain = {"filters": [{"name": "http", "typed_config": manager}]}
        buckets = {"match": {"prefix": STATS}, "buckets": BUCKETS}
        return {
            "node": {"id": "local", "cluster": "local"},
            "admin": {"address": {"pipe": {"path": ADMIN, "mode": 0o600}}},
            "stats_config": {"histogram_bucket_settings": [buckets]},
            # Else latencies are added up every 5 s, and a step begins with those of the one before.
            "stats_flush_on_admin": True,
            "dynamic_resources": {"cds_config": self._source("cds")},
            "static_resources": {
                "listeners": [
                    {"name": "endpoint", "address": _address(self.port), "filter_chains": [chain]}
                ]
            },
        }


def _address(port: int) -> Json:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _caution(timeout_seconds: float) -> Json:
    """How callers are taken who may be hostile, or a page in a browser."""
    return {
        "codec_type": "HTTP1",
        # One spelling of an address: what is compared with the routes is what the server gets.
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "strip_any_host_port": True,
        "max_request_headers_kb": HEADER_KIB,
        "request_headers_timeout": f"{timeout_seconds:g}s",
        "request_timeout": f"{timeout_seconds:g}s",
        # Nobody is internal, or a caller could set timeouts and retries by x-envoy-* headers.
        "use_remote_address": True,
        "internal_address_config": {"unix_sockets": False, "cidr_ranges": []},
        "generate_request_id": False,
    }


def _cluster(upstream: Upstream, timeout_seconds: float) -> Json:
    endpoint = {"endpoint": {"address": _address(upstream.port)}}
    options = f"{_TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions"
    protocol = {
        "common_http_protocol_options": {"idle_timeout": IDLE_TIMEOUT},
        "explicit_http_config": {"http_protocol_options": {}},
    }
    return {
        "@type": f"{_TYPE}.config.cluster.v3.Cluster",
        "name": upstream.name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            options.removeprefix("type.googleapis.com/"): {"@type": options, **protocol}
        },
        "load_assignment": {
            "cluster_name": upstream.name,
            "endpoints": [{"lb_endpoints": [endpoint]}],
        },
        "health_checks": [_probe(upstream.model, timeout_seconds)],
        # Envoy itself sends nothing to what is not ready, not even where nothing else is there.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
    }


def _probe(model: str, timeout_seconds: float) -> Json:
    """How Envoy asks a server whether its model is ready. Any answer but 200 counts at once.

    No answer counts after as long as a request may take: a server that predicts answers nothing
    else meanwhile, and is not to lose its traffic for being busy.
    """
    return {
        "timeout": f"{timeout_seconds:g}s",
        "interval": PROBE_INTERVAL,
        "no_traffic_interval": PROBE_INTERVAL,
        "unhealthy_threshold": 1,
        "healthy_threshold": 1,
        "http_health_check": {"path": ready_path(model), "host": "127.0.0.1"},
    }


def _statistics() -> list[Json]:
    """What adapters/metrics.py reads: each inference when it is over, and how long it took.

    The time is that of right answers. Only inference is a POST: whoever asks for health or
    metadata, or is answered by Envoy itself, says nothing about a predictor's answers, and counts
    for nobody.
    """
    predictor = {"name": "predictor", "value_format": "%UPSTREAM_CLUSTER%"}
    nobody = {"name": "predictor", "value_format": "-"}
    outcome = [
        {"name": "code", "value_format": "%RESPONSE_CODE%"},
        {"name": "flags", "value_format": "%RESPONSE_FLAGS%"},
    ]
    milliseconds = {
        "stat": {"name": "milliseconds", "tags": [predictor]},
        "value_format": "%DURATION%",
        "unit": "Milliseconds",
    }
    post = {"header_filter": {"header": {"name": ":method", "string_match": {"exact": "POST"}}}}
    right = [post, status("GE", 200), status("LE", 399)]
    return [
        _stats_logger({"counters": [_requests([nobody, *outcome])]}),
        {**_stats_logger({"counters": [_requests([predictor, *outcome])]}), "filter": post},
        {
            **_stats_logger({"histograms": [milliseconds]}),
            "filter": {"and_filter": {"filters": right}},
        },
    ]


def _requests(tags: list[dict[str, str]]) -> Json:
    return {"stat": {"name": "requests", "tags": tags}, "value_fixed": 1}


def _stats_logger(stats: Json) -> Json:
    kind = f"{_TYPE}.extensions.access_loggers.stats.v3.Config"
    scope = {"prefix": STATS}
    return {
        "name": "envoy.access_loggers.stats",
        "typed_config": {"@type": kind, "stats_scope": scope, **stats},
    }
