"""Stand-in predictors behind a real Envoy: what is counted is what their callers saw, and what is decided of it."""

import json
from pathlib import Path

import pytest
from ml_pipeline.adapters.metrics import Counters, scrape
from ml_pipeline.documents.promotion import Rollout
from ml_pipeline.environments.embedded.endpoint import Route
from ml_pipeline.environments.embedded.router import Upstream
from ml_pipeline.environments.embedded.state import free_port
from ml_pipeline.environments.embedded.windows import step_evidence
from ml_pipeline.rules.rollout.decisions import decide

from tests.conftest import until
from tests.support import predictors

TIMES = 8
INFER = "v2/models/m/infer"
BAD = {
    "fails": predictors.answers(500),
    "fails-now-and-then": predictors.fails_now_and_then,
    "hangs": predictors.hangs,
    "resets": predictors.resets,
    "breaks-off": predictors.breaks_off,
    "talks-nonsense": predictors.talks_nonsense,
    "has-no-model": predictors.answers(404),
    "is-overloaded": predictors.answers(429),
}
GOOD = {
    "healthy": predictors.healthy,
    "loses-the-first-try": predictors.loses_the_first_try,
}
OTHER = {"takes-another-shape": predictors.answers(400), "was-left": predictors.hangs}


@pytest.fixture(scope="module")
def envoy(tmp_path_factory):
    """Every stand-in under a path of its own, and as the candidate beside the healthy one."""
    stand_ins = {name: predictors.Predictor(b) for name, b in (BAD | GOOD | OTHER).items()}
    ports = {name: found.port for name, found in stand_ins.items()} | {"refuses": free_port()}
    with predictors.running_envoy(tmp_path_factory.mktemp("envoy"), timeout_seconds=0.3) as router:
        router.set_clusters([Upstream(name, "m", port) for name, port in ports.items()])
        until(lambda: ports.keys() <= router.readiness().keys())
        alone = [Route(f"/{name}/", "m", {name: 1}) for name in ports]
        canaries = [Route(f"/canary/{name}/", "m", {name: 20, "healthy": 80}) for name in ports]
        router.set_routes(alone + canaries)
        until(lambda: predictors.ask(router.port, f"/healthy/{INFER}")[0] == 200)
        yield router
    for found in stand_ins.values():
        found.close()


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """An Envoy that has answered nothing yet."""
    with predictors.running_envoy(tmp_path_factory.mktemp("fresh")) as router:
        yield router


def counted(envoy, name: str, start: dict[str, Counters], requests: int) -> Counters:
    """What was counted of a predictor; Envoy counts a request a moment after its caller has the answer."""

    def now() -> Counters | None:
        found = scrape(envoy.admin).get(name, Counters()).since(start.get(name, Counters()))
        complete = found.answered + found.failed + found.refused >= requests
        return found if complete and found.latency.total >= found.answered else None

    return until(now)


@pytest.mark.parametrize("name", [*BAD, "refuses"])
def test_a_request_without_a_right_answer_has_failed(envoy, name):
    start = scrape(envoy.admin)
    statuses = predictors.ask_many(envoy.port, f"/{name}/{INFER}", TIMES)
    right = statuses.count(200)
    found = counted(envoy, name, start, TIMES)
    assert (found.answered, found.failed, found.refused) == (right, TIMES - right, 0)
    assert found.failed > 0


@pytest.mark.parametrize("name", GOOD)
def test_a_request_that_was_sent_again_is_counted_as_its_caller_saw_it(envoy, name):
    start = scrape(envoy.admin)
    assert predictors.ask_many(envoy.port, f"/{name}/{INFER}", TIMES, at_once=1) == [200] * TIMES
    found = counted(envoy, name, start, TIMES)
    assert (found.answered, found.failed, found.latency.total) == (TIMES, 0, TIMES)


def test_what_the_caller_got_wrong_is_counted_apart(envoy):
    start = scrape(envoy.admin)
    predictors.ask_many(envoy.port, f"/takes-another-shape/{INFER}", TIMES)
    found = counted(envoy, "takes-another-shape", start, TIMES)
    assert (found.answered, found.failed, found.refused) == (0, 0, TIMES)
    assert found.latency.total == 0


def test_a_caller_who_gave_up_was_not_answered(envoy):
    start = scrape(envoy.admin)
    predictors.ask_many(envoy.port, f"/was-left/{INFER}", TIMES, seconds=0.1)
    assert counted(envoy, "was-left", start, TIMES).failed == TIMES


def decision(envoy, name: str, *, at_once: int = 16):
    """What is decided of a candidate with 20 % of the traffic, the rest of which is answered right."""
    rollout = Rollout(steps=(20, 100), min_requests=20, max_p99_increase=1000)
    start = scrape(envoy.admin)

    def judged():
        predictors.ask_many(envoy.port, f"/canary/{name}/{INFER}", 32, at_once=at_once)
        now = scrape(envoy.admin)
        evidence = [
            step_evidence(
                f"a/{weight:010}", weight, now.get(p, Counters()).since(start.get(p, Counters()))
            )
            for p, weight in ((name, 20), ("healthy", 80))
        ]
        found = decide(rollout, *evidence)
        return found if found.action != "hold" else None

    return until(judged)


@pytest.mark.parametrize("name", [*BAD, "refuses", "takes-another-shape"])
def test_candidate_that_does_not_answer_right_is_aborted(envoy, name):
    found = decision(envoy, name)
    assert found.action == "abort"
    assert "requests failed" in found.reason or "were refused" in found.reason


def test_candidate_that_answers_right_goes_on(envoy):
    assert decision(envoy, "loses-the-first-try", at_once=1).action == "finish"


def test_envoy_that_was_asked_nothing_has_counted_nothing(fresh):
    assert scrape(fresh.admin) == {}


def test_callers_are_told_to_come_back_until_routes_are_known(fresh):
    status, headers, body = predictors.ask(fresh.port, "/seldon/ns/digits/v2/models/digits/infer")
    assert (status, headers["retry-after"]) == (503, "2")
    assert error(body) == "the environment is starting and does not know its models yet; try again"


def test_callers_of_a_model_that_starts_are_told_to_come_back_and_of_no_model_are_not(fresh):
    fresh.set_routes([Route("/seldon/ns/digits/", "digits", {})])
    unknown = until(lambda: _answer(fresh, "/seldon/ns/letters/", 404))
    assert b"no model is promoted at this address" in unknown[2]
    status, headers, body = predictors.ask(fresh.port, "/seldon/ns/digits/v2/models/digits/infer")
    assert (status, headers["retry-after"]) == (503, "2")
    assert error(body) == "the model is not ready; try again"


def error(body: bytes) -> str:
    """What an answer of the endpoint's own says, which is one line of JSON."""
    assert body.endswith(b"}\n")
    assert body.count(b"\n") == 1
    (text,) = json.loads(body).values()
    return text


def _answer(envoy, path: str, status: int):
    found = predictors.ask(envoy.port, path)
    return found if found[0] == status else None


def test_callers_of_a_model_whose_server_has_ended_are_told_to_come_back(envoy):
    status, headers, _ = predictors.ask(envoy.port, f"/refuses/{INFER}")
    assert (status, headers["retry-after"]) == (503, "2")


def test_router_keeps_nothing_that_a_kill_leaves_behind(tmp_path):
    """What Envoy maps in /dev/shm is memory of the machine, and stays when it is killed."""
    with predictors.running_envoy(tmp_path):
        (pid,) = (p.name for p in Path("/proc").glob("[0-9]*") if str(tmp_path) in arguments(p))
        assert "/dev/shm" not in Path(f"/proc/{pid}/maps").read_text()


def arguments(process: Path) -> str:
    try:
        return (process / "cmdline").read_text()
    except OSError:
        return ""
