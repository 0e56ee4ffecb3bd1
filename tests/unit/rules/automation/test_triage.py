"""Which documents are acted on, whichever of them are broken."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ml_pipeline.documents.changes import Changes, applied
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import is_listed
from ml_pipeline.rules.automation.triage import Triage
from ml_pipeline.rules.identity.awaited import run_identity_of
from ml_pipeline.rules.identity.hashes import data_identity, run_identity, run_inputs
from ml_pipeline.rules.review.plain_files import special

from tests.conftest import FIXTURES, folder

VALID = folder(FIXTURES / "valid")
DOCUMENTS = sorted(filter(is_listed, VALID))
EXPERIMENTS = sorted(path for path in DOCUMENTS if path.endswith("/experiment.yaml"))
WAITING = "experiments/waiting/experiment.yaml"
DATA = "experiments/better/data/216b187a78.yaml"
GOOD = "experiments/good/runs/31a4e76e1a.yaml"
BETTER = "experiments/better/runs/c39d9a14b0.yaml"
LOCAL = "environments/local/environment.yaml"
PROMOTION = "environments/local/promotions/digits.yaml"
WEIGHTS = "environments/local/rollouts/digits/0123456789.yaml"
UNREADABLE = b"kind: [\n"
LINK = special("120000", "0" * 40)

broken = st.dictionaries(st.sampled_from(DOCUMENTS), st.sampled_from([UNREADABLE, b"", LINK]))


def triage(**changed) -> Triage:
    """Of the valid tree with other contents of some files; what is None is not there."""
    return Triage(Snapshot(tree(changed)))


def tree(changed) -> dict[str, bytes]:
    gone = frozenset(path for path, raw in changed.items() if raw is None)
    written = {path: raw for path, raw in changed.items() if raw is not None}
    return applied(VALID, Changes(written, gone))


@settings(max_examples=50)
@given(broken)
def test_what_is_acted_on_can_be_read_and_needs_nothing_that_cannot(changed):
    found = triage(**changed)
    assert changed.keys() <= found.faults.keys()
    found.acted_on.read_all()
    unsound = Triage(found.acted_on).faults.keys()
    assert unsound.isdisjoint([PROMOTION, *EXPERIMENTS])


@settings(max_examples=50)
@given(broken)
def test_every_document_is_faulty_or_blocked_or_acted_on(changed):
    found = triage(**changed)
    parts = [{*found.faults}, {*found.blocked}, {*found.acted_on.files}]
    assert sum(map(len, parts)) == len(set.union(*parts)) == len(found.whole.files)
    assert {*found.blocked.values()} <= found.faults.keys()


@settings(max_examples=50)
@given(
    broken,
    st.dictionaries(st.sampled_from(DOCUMENTS), st.sampled_from([UNREADABLE, None, b"x: 1\n"])),
)
def test_what_is_taken_over_from_the_revision_before_is_found_anew_too(before, change):
    old = triage(**before)
    assert old.faults.keys() >= before.keys()
    files = tree({**before, **change})
    kept = Triage(Snapshot(files))
    kept.keep(old, change)
    assert kept.faults == Triage(Snapshot(files)).faults


def test_sound_tree_is_acted_on_whole():
    found = triage()
    assert (found.faults, found.blocked) == ({}, {})
    assert found.acted_on is found.whole


@pytest.mark.parametrize(
    ("faulty", "blocked"),
    [
        (WAITING, []),
        (LOCAL, [PROMOTION, *EXPERIMENTS]),
        (DATA, EXPERIMENTS),
        (PROMOTION, []),
        (BETTER, [PROMOTION, "experiments/better/experiment.yaml"]),
        ("environments/staging/environment.yaml", []),
        ("experiments/notes.yaml", []),
    ],
)
def test_faulty_file_blocks_what_needs_it_and_nothing_else(faulty, blocked):
    found = triage(**{faulty: UNREADABLE})
    assert list(found.faults) == [faulty]
    assert found.blocked == dict.fromkeys(blocked, faulty)


def test_faulty_file_among_the_weights_blocks_their_promotion():
    found = triage(**{WEIGHTS: UNREADABLE})
    assert WEIGHTS in found.faults
    assert list(found.blocked) == [PROMOTION]


def test_faults_of_another_document_are_not_ones_own():
    """An experiment whose environment cannot be read waits for it, and need not be corrected."""
    assert list(triage(**{LOCAL: UNREADABLE}).faults) == [LOCAL]


def test_environment_that_is_not_there_is_a_fault_of_what_names_it():
    found = triage(**{LOCAL: None})
    assert {PROMOTION, *EXPERIMENTS} <= found.faults.keys()


def test_file_that_is_no_document_is_judged_where_it_is_no_plain_file():
    assert list(triage(**{"README.md": UNREADABLE}).faults) == []
    assert list(triage(**{"README.md": LINK}).faults) == ["README.md"]


def test_weights_that_do_not_fit_their_promotion_are_faulty():
    """By themselves they are right: only the promotion says that there are two predictors."""
    path = "environments/local/rollouts/digits/c05effaded.yaml"
    rows = (
        f"- op: replace\n  path: /spec/predictors/{number}/traffic\n  value: {weight}\n"
        for number, weight in enumerate((50, 25, 25))
    )
    patch = "".join(rows).encode()
    assert path in triage(**{path: patch}).faults
    assert path not in triage(**{path: patch, PROMOTION: None}).faults


@pytest.mark.parametrize(
    ("raw", "shorts"),
    [
        (UNREADABLE, {"31a4e76e1a"}),
        (b"id: 0123456789\nidentity: 'abcdefabcdef'\n", {"31a4e76e1a", "0123456789", "abcdefabcd"}),
        (b"  id: 0123456789\n# identity: 0123456789\n", {"31a4e76e1a"}),
    ],
)
def test_faulty_receipt_stands_for_its_name_and_for_what_it_says(raw, shorts):
    assert triage(**{GOOD: raw}).faulty_receipts == dict.fromkeys(shorts, GOOD)


def test_faulty_document_that_is_no_receipt_stands_for_no_identity():
    assert triage(**{WAITING: b"id: 0123456789\n"}).faulty_receipts == {}


def test_document_that_nobody_can_read_is_none():
    found = triage(**{WAITING: UNREADABLE})
    assert found.readable(WAITING) is None
    assert found.readable(GOOD).id == "31a4e76e1a"


def test_experiment_asks_for_its_data_until_that_is_there():
    data = data_identity(Snapshot(VALID).experiments["waiting"])[:10]
    for raw in (None, UNREADABLE):
        found = triage(**{DATA: raw})
        assert found.shorts_of(found.whole.experiments["waiting"]) == [data]


def test_experiment_asks_for_its_run_here_or_anywhere():
    found = triage()
    experiment = found.whole.experiments["waiting"]
    here = run_inputs(experiment, "c" * 64, environment="local")
    data, anywhere, again = found.shorts_of(experiment)
    assert data == data_identity(experiment)[:10]
    assert anywhere == run_identity_of(found.whole, experiment)[:10]
    assert again == run_identity(here)[:10] != anywhere


def test_only_what_is_not_settled_is_pending():
    found = triage()
    identity = run_identity_of(found.whole, found.whole.experiments["waiting"])
    assert found.pending == {"waiting": identity}
    assert found.experiments_awaiting("local") == {identity: ["waiting"]}
    assert found.experiments_awaiting("staging") == {}


def test_experiments_that_are_alike_wait_for_one_run_in_the_order_of_their_names():
    twin = VALID[WAITING].replace(b"name: waiting", b"name: another")
    found = triage(**{"experiments/another/experiment.yaml": twin})
    assert list(found.experiments_awaiting("local").values()) == [["another", "waiting"]]


def test_blocked_experiment_waits_for_nothing():
    assert triage(**{DATA: UNREADABLE}).pending == {}
