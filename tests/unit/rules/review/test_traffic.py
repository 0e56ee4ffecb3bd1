"""What becomes of served models, where verdicts are taken out and servers start anew."""

import pytest
from ml_pipeline.documents.changes import applied
from ml_pipeline.documents.faults import InvalidDocumentsError
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.environments.embedded.records import status_of
from ml_pipeline.rules.automation.observed import Observed
from ml_pipeline.rules.automation.plan import plan
from ml_pipeline.rules.review.traffic import gate_lines, traffic_consequences

from tests.support.simulate import serving_status

PROMOTION = "environments/local/promotions/digits.yaml"
DEPLOYMENT = "environments/local/serving/digits/promotion/seldondeployment.yaml"
GOOD, BETTER = "good/31a4e76e1a", "better/c39d9a14b0"
GATES = f"Gates of {BETTER}: "


def said(before, after, *paths: str) -> list[tuple[str, str]]:
    changed = paths or {
        path for path in before.keys() | after.keys() if before.get(path) != after.get(path)
    }
    told = traffic_consequences(Snapshot(before), Snapshot(after), changed)
    return [(one.kind, one.text) for one in told]


def ended(current, **measured) -> dict[str, bytes]:
    """The tree after one step of automation that has seen so much go wrong."""
    status = serving_status(current)
    status["evidence"][1] |= measured
    seen = Observed("local", serving={"digits": status_of(status)})
    for step in plan(Snapshot(current), seen):
        current = applied(current, step.changes)
    return current


def test_nothing_is_told_of_what_stays(current):
    assert said(current, current, PROMOTION, DEPLOYMENT) == []


def test_step_of_a_rollout_is_no_jump(current):
    ((kind, text),) = said(current, ended(current))
    assert kind == "traffic"
    assert text == (
        f"digits in local: from 90 % {GOOD}, 10 % {BETTER} to 50 % {GOOD}, 50 % {BETTER}"
    )


THIRD = "good/0123456789"


@pytest.mark.parametrize(
    ("old", "new", "jump"),
    [
        (f"run: {BETTER}", f"run: {THIRD}", ""),
        (
            f"baseline: {GOOD}",
            f"baseline: {THIRD}",
            f"; {THIRD} did not serve and gets 90 % at once",
        ),
        (
            f"run: {BETTER}\nbaseline: {GOOD}",
            f"run: {THIRD}",
            f"; {THIRD} did not serve and gets 100 % at once",
        ),
        ("  - 10\n  - 50\n", "", ""),
        (
            f"run: {BETTER}\nbaseline: {GOOD}\nrollout:\n  steps:\n  - 10\n  - 50\n",
            f"run: {THIRD}\nbaseline: {GOOD}\nrollout:\n  steps:\n",
            f"; {THIRD} did not serve and gets 100 % at once",
        ),
        (f"run: {BETTER}\nbaseline: {GOOD}", f"run: {GOOD}", ""),
    ],
    ids=["canary", "baseline", "no baseline", "one step", "one step of another", "what serves"],
)
def test_run_that_did_not_serve_begins_with_the_first_step_or_is_told(current, old, new, jump):
    receipt = current[f"experiments/{GOOD.replace('/', '/runs/')}.yaml"]
    third = receipt.replace(b"31a4e76e1a", b"0123456789")
    files = {**current, "experiments/good/runs/0123456789.yaml": third}
    text = files[PROMOTION].decode()
    assert old in text
    ((_, told),) = said(files, {**files, PROMOTION: text.replace(old, new).encode()}, PROMOTION)
    assert told.endswith(jump)
    assert ("at once" in told) == bool(jump)


def test_first_promotion_of_a_model_is_no_jump(current):
    """Nobody has called it yet."""
    before = {path: raw for path, raw in current.items() if path != PROMOTION}
    ((_, told),) = said(before, current, PROMOTION)
    assert told.endswith(f"from nothing to 90 % {GOOD}, 10 % {BETTER}")


def test_verdict_that_is_taken_out_lets_the_rollout_go_on(current):
    aborted = ended(current, errors=1000)
    (verdict,) = (path for path in aborted if "/verdicts/" in path)
    told = said(aborted, {path: raw for path, raw in aborted.items() if path != verdict})
    assert told[-1] == (
        "traffic",
        f"digits in local: the rollout to {BETTER} goes on, its verdict 'aborted' is taken out",
    )


def test_verdict_of_another_rollout_revives_nothing(current):
    aborted = ended(current, errors=1000)
    (verdict,) = (path for path in aborted if "/verdicts/" in path)
    after = {path: raw for path, raw in aborted.items() if path != verdict}
    after[PROMOTION] = after[PROMOTION].replace(b"model: digits", b"model: digits\nattempt: 2")
    assert not any("goes on" in text for _, text in said(aborted, after))


def test_verdict_that_comes_is_no_reviving(current):
    told = said(current, ended(current, errors=1000))
    assert not any("is taken out" in text for _, text in told)


def test_servers_of_another_image_start_anew(current):
    raw = current[DEPLOYMENT]
    other = raw.replace(b"serving@sha256:bb", b"serving@sha256:bc")
    assert other != raw
    assert said(current, {**current, DEPLOYMENT: other}) == [
        ("restarts", "starts run-31a4e76e1a, run-c39d9a14b0 of digits in local anew")
    ]


def test_one_server_that_differs_starts_anew_alone(current):
    raw = current[DEPLOYMENT]
    other = raw.replace(b"models/m-better", b"models/m-other")
    assert said(current, {**current, DEPLOYMENT: other}) == [
        ("restarts", "starts run-c39d9a14b0 of digits in local anew")
    ]


def test_traffic_alone_starts_no_server(current):
    raw = current[DEPLOYMENT]
    other = raw.replace(b"traffic: 90", b"traffic: 80").replace(b"traffic: 10", b"traffic: 20")
    assert other != raw
    assert said(current, {**current, DEPLOYMENT: other}) == []


def test_servers_that_come_or_go_do_not_start_anew(current):
    gone = {path: raw for path, raw in current.items() if path != DEPLOYMENT}
    assert said(current, gone, DEPLOYMENT) == said(gone, current, DEPLOYMENT) == []


@pytest.mark.parametrize(
    "raw", [b"", b"[]\n", b"kind: [\n", b"spec: {predictors: 5}\n", b"spec: {predictors: [{}]}\n"]
)
def test_deployment_that_nobody_rendered_is_one_line_with_the_repair(current, raw):
    with pytest.raises(InvalidDocumentsError) as error:
        said(current, {**current, DEPLOYMENT: raw}, DEPLOYMENT)
    assert str(error.value) == f"{DEPLOYMENT}:1: is not what `ml-pipeline render` writes; run it"


def test_changed_promotion_shows_what_was_measured_of_its_run(snapshot):
    (line,) = gate_lines(snapshot, [PROMOTION, DEPLOYMENT])
    assert line.startswith(GATES)
    assert "quality" in line
    assert gate_lines(snapshot, [DEPLOYMENT]) == []


def test_run_whose_gates_nobody_measured_is_told_so(files):
    path = f"experiments/{BETTER.replace('/', '/runs/')}.yaml"
    head, _, rest = files[path].decode().partition("gates:\n")
    unmeasured = head + rest[rest.index("artifact:") :]
    found = gate_lines(Snapshot({**files, path: unmeasured.encode()}), [PROMOTION])
    assert found == [f"{GATES}none was measured"]


def test_promotion_that_is_taken_out_or_names_no_receipt_has_no_line(files):
    gone = {path: raw for path, raw in files.items() if path != PROMOTION}
    assert gate_lines(Snapshot(gone), [PROMOTION]) == []
    lost = files[PROMOTION].replace(BETTER.encode(), b"better/0123456789")
    assert gate_lines(Snapshot({**files, PROMOTION: lost}), [PROMOTION]) == []
