from ml_pipeline.adapters.metrics import Counters
from ml_pipeline.environments.embedded import windows as module
from ml_pipeline.environments.embedded.servers import Server
from ml_pipeline.environments.embedded.windows import DeclaredStep, Windows, step_evidence
from ml_pipeline.rules.rollout.latency import Latency

STEP = DeclaredStep("r1", {"digits-a": 90, "digits-b": 10})
SERVERS = {name: Server(name, "digits", f"x/{name[-1]}", {}) for name in STEP.weights}


def test_failed_requests_are_requests_and_refused_ones_are_not():
    evidence = step_evidence("x/a", 10, Counters(30, 5, 7, Latency({5.0: 30})))
    assert (evidence.requests, evidence.errors, evidence.refused) == (35, 5, 7)
    assert evidence.counted == 30


def test_step_that_never_began_has_no_evidence(tmp_path):
    assert Windows(tmp_path).evidence("digits", STEP, SERVERS) == ()


def test_step_is_opened_once(tmp_path, monkeypatch):
    looks = []
    monkeypatch.setattr(module.metrics, "scrape", lambda admin: looks.append(admin) or {})
    windows = Windows(tmp_path)
    for _ in range(3):
        windows.open("digits", STEP, SERVERS)
    assert [row.run for row in windows.evidence("digits", STEP, SERVERS)] == ["x/a", "x/b"]
    assert looks == [tmp_path]


def test_model_that_is_forgotten_begins_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(module.metrics, "scrape", lambda admin: {})
    windows = Windows(tmp_path)
    windows.open("digits", STEP, SERVERS)
    windows.forget("digits")
    assert windows.evidence("digits", STEP, SERVERS) == ()
