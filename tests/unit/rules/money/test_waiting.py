import pytest
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.money import waiting
from ml_pipeline.rules.money.estimates import History
from ml_pipeline.rules.money.waiting import Waiting

from tests.support.many import WAITING


@pytest.fixture
def both(files):
    other = files | {WAITING: files[WAITING].replace(b"seed: 7", b"seed: 8")}
    after = Snapshot(other)
    return after.beside(files, frozenset({WAITING})), after


def test_experiment_that_is_settled_waits_for_nothing(snapshot):
    assert list(Waiting(snapshot).identities) == ["waiting"]


def test_other_revision_waits_for_what_its_own_experiments_ask(both):
    before, after = both
    here = Waiting(after)
    beside = Waiting(before, here, {"waiting"})
    assert beside.identities == Waiting(before).identities
    assert beside.identities != here.identities
    assert beside.claimants({here.identities["waiting"][:10]}) == []


def test_price_of_what_both_have_is_found_once(both, monkeypatch):
    before, after = both
    asked = []
    monkeypatch.setattr(waiting, "priced", lambda *given: asked.append(given[2].name))
    here = Waiting(after)
    for side in (here, Waiting(before, here, {"waiting"})):
        side.price("good", History(after))
        side.price("waiting", History(after))
    assert asked == ["good", "waiting", "waiting"]
