"""Hostile callers before a real Envoy: what they can reach of a predictor, and what they are told."""

import json
import socket

import pytest
from ml_pipeline.adapters.metrics import Counters, scrape
from ml_pipeline.environments.embedded.endpoint import BODY_BYTES, HEADER_KIB, Route
from ml_pipeline.environments.embedded.router import Upstream

from tests.conftest import until
from tests.support import predictors

PREFIX = "/seldon/ns/digits"
MODEL = f"{PREFIX}/v2/models/digits"


@pytest.fixture(scope="module")
def server():
    found = predictors.Predictor(predictors.healthy)
    yield found
    found.close()


@pytest.fixture(scope="module")
def envoy(tmp_path_factory, server):
    """A model `digits` with one healthy predictor."""
    with predictors.running_envoy(tmp_path_factory.mktemp("envoy")) as router:
        serve(router, server)
        yield router


def serve(router, server) -> None:
    router.set_clusters([Upstream("digits-a", "digits", server.port)])
    until(lambda: (found := router.readiness()) and "digits-a" in found)
    router.set_routes([Route(f"{PREFIX}/", "digits", {"digits-a": 1})])
    until(lambda: predictors.ask(router.port, f"{MODEL}/infer")[0] == 200)


@pytest.fixture
def asked(server):
    """First lines of what reaches the predictor, but for questions whether it is ready."""
    server.asked.clear()
    return server.asked


def raw(port: int, request: bytes) -> tuple[int, bytes]:
    """Status and body of the answer to bytes as they are; status 0 where none came."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        try:
            connection.sendall(request)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        except ConnectionError:
            return 0, b""
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]) if head else 0, body


def http(method: str, path: str, *headers: str, host: str = "127.0.0.1", body: str = "") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
    if method == "POST" and not any("-Length" in h or "chunked" in h for h in headers):
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def error(body: bytes) -> str:
    """What an answer of the endpoint's own says, which is one line of JSON."""
    assert body.endswith(b"}\n")
    assert body.count(b"\n") == 1
    (text,) = json.loads(body).values()
    assert text
    return text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v2/models/digits/infer"),
        ("GET", "/v2/models/digits"),
        ("GET", "/v2/health/live"),
        ("GET", "/v2"),
    ],
)
def test_inference_metadata_and_health_reach_the_predictor(envoy, asked, method, path):
    assert predictors.ask(envoy.port, f"{PREFIX}{path}", method=method)[0] == 200
    assert asked == [f"{method} {path} HTTP/1.1"]


@pytest.mark.parametrize("path", ["/v2/models/digits/ready", "/v2/health/ready"])
def test_readiness_is_the_predictors_own(envoy, path):
    assert predictors.ask(envoy.port, f"{PREFIX}{path}", method="GET")[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/v2/repository/models/digits/unload",
        "/v2/repository/models/digits/load",
        "/v2/repository/index",
        "/v2/models/others/infer",
        "/v2/models/digits/generate",
        "/v2/models/digits/infer_stream",
        "/v2/models/digits/versions/v1/infer",
        "/v2/models/digits/docs/dataplane.json",
        "/v2/docs",
        "/openapi.json",
        "/invocations",
        "/ping",
        "/metrics",
        "/",
        "",
        "/v2/models/digits/infer/",
        "/v2/models/digits/infer/../../../repository/index",
        "/v2/models/digits/infer/%2e%2e/%2e%2e/%2e%2e/repository/index",
        "/v2/models/digits//..//digits/../../repository/models/digits/unload",
        "/v2/../v2/repository/models/digits/unload",
        "/V2/models/digits/infer",
        "/v2/models/Digits/infer",
        "/v2/models/digits/infer;/../unload",
        "/v2/models/digits/infer%00",
        "/v2/models/digits/infer%252f..%252funload",
        "/v2/models/" + "x" * 20_000,
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_no_other_address_reaches_the_predictor(envoy, asked, path, method):
    status, body = raw(envoy.port, http(method, f"{PREFIX}{path}"))
    assert status in (404, 400)
    assert error(body)
    assert asked == []


@pytest.mark.parametrize(
    "path",
    [
        f"{MODEL}/infer%2f..%2f..%2f..%2frepository%2fmodels%2fdigits%2funload",
        f"{PREFIX}/v2%2Frepository/models/digits/unload",
        f"{PREFIX}%5cv2\\repository\\models\\digits\\unload",
        f"{PREFIX}/../../../../v2/repository/index",
        "/seldon/ns/digits",
        "/seldon/ns/letters/v2/models/letters/infer",
        "/v2/models/digits/infer",
        "/SELDON/ns/digits/v2/models/digits/infer",
        "*",
        f"http://127.0.0.1:1{PREFIX}/v2/repository/models/digits/unload",
    ],
)
def test_neither_do_escapes_backslashes_and_addresses_beside_it(envoy, asked, path):
    status, body = raw(envoy.port, http("POST", path))
    assert status in (400, 404)
    assert error(body)
    assert asked == []


@pytest.mark.parametrize(
    "path",
    [
        f"{PREFIX}//v2///models//digits/infer",
        f"{PREFIX}/v2/./models/x/../digits/infer",
        f"{PREFIX}/v2/models/%64igits/infer",
        "/seldon/ns/letters/../digits/v2/models/digits/infer?x=/v2/repository/index",
    ],
)
def test_another_spelling_of_an_address_is_that_address(envoy, asked, path):
    assert raw(envoy.port, http("POST", path))[0] == 200
    assert [line.split()[1].partition("?")[0] for line in asked] == ["/v2/models/digits/infer"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_inference_takes_post_only_and_says_so(envoy, asked, method):
    status, headers, body = predictors.ask(envoy.port, f"{MODEL}/infer", method=method)
    assert (status, headers["allow"]) == (405, "POST")
    assert method == "HEAD" or error(body) == "this address takes POST only"
    assert asked == []


@pytest.mark.parametrize("path", ["", "/v2", "/v2/health/live"])
def test_metadata_and_health_take_get_only(envoy, asked, path):
    address = f"{PREFIX}{path}" if path else MODEL
    status, headers, body = predictors.ask(envoy.port, address)
    assert (status, headers["allow"]) == (405, "GET")
    assert error(body) == "this address takes GET only"
    assert asked == []


def test_connect_and_upgrades_open_nothing(envoy, asked):
    status, body = raw(envoy.port, http("CONNECT", "127.0.0.1:22"))
    assert status == 404
    assert error(body)
    upgrade = ("Upgrade: websocket", "Connection: upgrade")
    status, body = raw(envoy.port, http("POST", f"{MODEL}/infer", *upgrade))
    assert (status, error(body)) == (403, "this endpoint upgrades no connection")
    assert raw(envoy.port, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")[0] == 400
    assert asked == []


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "10.0.0.1", "localhost."]
)
def test_foreign_host_is_refused(envoy, asked, host):
    status, body = raw(envoy.port, http("POST", f"{MODEL}/infer", host=host))
    assert status == 421
    assert "127.0.0.1 and localhost only" in error(body)
    assert asked == []


@pytest.mark.parametrize("host", ["localhost", "localhost:1234", "127.0.0.1:8080"])
def test_own_host_with_any_port_is_answered(envoy, host):
    assert raw(envoy.port, http("POST", f"{MODEL}/infer", host=host))[0] == 200


def test_host_in_the_address_itself_is_checked_too(envoy, asked):
    assert raw(envoy.port, http("POST", f"http://evil.example{MODEL}/infer"))[0] == 421
    assert asked == []


def test_body_that_is_too_large_is_refused(envoy, asked):
    length = f"Content-Length: {BODY_BYTES + 1}"
    status, body = raw(envoy.port, http("POST", f"{MODEL}/infer", length, body="x" * 2**20) * 20)
    assert status in (0, 413)
    assert status == 0 or "larger than 16 MiB" in error(body)
    assert asked == []


def test_body_without_a_declared_end_is_refused_once_it_is_too_large(envoy, asked):
    head = http("POST", f"{MODEL}/infer", "Transfer-Encoding: chunked")
    chunk = b"100000\r\n" + b"x" * 2**20 + b"\r\n"
    status, body = raw(envoy.port, head + chunk * 17)
    assert status in (0, 413)
    assert status == 0 or "larger than 16 MiB" in error(body)
    assert asked == []


def test_headers_that_are_too_large_are_refused(envoy, asked):
    status, body = raw(
        envoy.port, http("POST", f"{MODEL}/infer", "X-Long: " + "x" * HEADER_KIB * 1024)
    )
    assert status == 431
    assert f"larger than {HEADER_KIB} KiB" in error(body)
    assert asked == []


def test_too_many_headers_are_refused(envoy, asked):
    status, _ = raw(envoy.port, http("POST", f"{MODEL}/infer", *(f"X-{n}: 1" for n in range(200))))
    assert status == 431
    assert asked == []


def test_older_http_is_told_so(envoy):
    request = f"POST {MODEL}/infer HTTP/1.0\r\n\r\n".encode()
    status, body = raw(envoy.port, request)
    assert (status, error(body)) == (426, "the request is older than HTTP/1.1; use that")


@pytest.mark.parametrize(
    "request_",
    [
        b"no http at all\r\n\r\n",
        b"POST " + MODEL.encode() + b"/infer HTTP/1.1\r\n\r\n",
        http("POST", f"{MODEL}/infer", "Content-Length: 1", "Transfer-Encoding: chunked"),
        http("POST", f"{MODEL}/infer", "Content-Length: 1", "Content-Length: 2", body="x"),
        http("POST", f"{MODEL}/infer", "Content-Length: -1"),
        http("GET", f"{MODEL} x"),
    ],
    ids=["nonsense", "no-host", "two-lengths", "lengths-differ", "negative", "space"],
)
def test_what_is_no_request_is_refused_with_a_line(envoy, asked, request_):
    status, body = raw(envoy.port, request_)
    assert status == 400
    assert error(body)
    assert asked == []


def test_caller_sets_neither_timeouts_nor_retries(tmp_path):
    fails = predictors.Predictor(predictors.answers(500, seconds=0.05))
    headers = (
        "X-Forwarded-For: 127.0.0.1",
        "X-Envoy-Internal: true",
        "X-Envoy-Upstream-Rq-Timeout-Ms: 1",
        "X-Envoy-Retry-On: 5xx",
        "X-Envoy-Max-Retries: 3",
        "X-Envoy-Original-Path: /v2/repository/index",
    )
    with predictors.running_envoy(tmp_path) as router:
        router.set_clusters([Upstream("digits-a", "digits", fails.port)])
        until(lambda: (found := router.readiness()) and "digits-a" in found)
        router.set_routes([Route(f"{PREFIX}/", "digits", {"digits-a": 1})])
        until(lambda: predictors.ask(router.port, f"{MODEL}/infer")[0] == 500)
        fails.asked.clear()
        assert raw(router.port, http("POST", f"{MODEL}/infer", *headers))[0] == 500
        assert len(fails.asked) == 1
    fails.close()


def test_what_the_endpoint_answers_itself_counts_for_no_predictor(envoy):
    before = scrape(envoy.admin).get("digits-a", Counters())
    for path in (f"{PREFIX}/v2/models/others/infer", f"{PREFIX}/v2/repository/index"):
        assert predictors.ask_many(envoy.port, path, 8) == [404] * 8
    assert predictors.ask(envoy.port, f"{MODEL}/infer", method="PUT")[0] == 405
    assert predictors.ask(envoy.port, f"{MODEL}/infer")[0] == 200
    found = until(lambda: answered_since(envoy, before))
    assert (found.answered, found.failed, found.refused) == (1, 0, 0)


def answered_since(envoy, before: Counters) -> Counters | None:
    found = scrape(envoy.admin)["digits-a"].since(before)
    return found if found.answered else None


def test_health_and_metadata_are_no_evidence_of_a_predictor(envoy):
    before = scrape(envoy.admin)["digits-a"]
    for path in (MODEL, f"{PREFIX}/v2/health/live", f"{PREFIX}/v2/health/ready"):
        assert predictors.ask(envoy.port, path, method="GET")[0] == 200
    assert predictors.ask(envoy.port, f"{MODEL}/infer")[0] == 200
    assert until(lambda: answered_since(envoy, before)).answered == 1


def test_whoever_sends_slowly_keeps_no_predictor_waiting(envoy, asked):
    head = http("POST", f"{MODEL}/infer", "Content-Length: 10")
    with socket.create_connection(("127.0.0.1", envoy.port), timeout=10) as slow:
        slow.sendall(head + b"1234")
        assert predictors.ask(envoy.port, f"{MODEL}/infer")[0] == 200
        assert len(asked) == 1
        slow.sendall(b"567890")
        assert slow.recv(65536).startswith(b"HTTP/1.1 200")
    assert len(asked) == 2
