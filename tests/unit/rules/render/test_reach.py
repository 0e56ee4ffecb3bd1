"""How far a change reaches; tests/hostile/test_reach.py holds the answers against those about everything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.render.reach import reach_of

from tests.conftest import FIXTURES, folder

VALID = Snapshot(folder(FIXTURES / "valid"))
PATHS = sorted(VALID.files)
WAITING = "experiments/waiting/experiment.yaml"
PROMOTION = "environments/local/promotions/digits.yaml"
JOB = "environments/local/training/waiting-ddd4bf48a3-0123456789/job.yaml"


def reach(*paths: str, code: bool = False):
    return reach_of(paths, code=code)


@pytest.mark.parametrize(
    "path",
    [
        "base/training-job/job.yaml",
        "environments/local/environment.yaml",
        "experiments/good/runs/31a4e76e1a.yaml",
        "experiments/better/data/216b187a78.yaml",
        "experiments/better/data/notes.md",
    ],
)
def test_base_facts_and_receipts_may_change_any_answer(path):
    found = reach(WAITING, path)
    assert found.everything
    assert found.documents(VALID) is None


@pytest.mark.parametrize(
    "path", [WAITING, PROMOTION, JOB, "README.md", "basement/x", "environments/local/x"]
)
def test_any_other_file_does_not(path):
    assert not reach(path).everything
    assert reach(path, code=True).everything, "but for the code that gives the answers"


@pytest.mark.parametrize(
    ("path", "serving"),
    [
        (PROMOTION, True),
        ("environments/local/verdicts/digits/0123456789.yaml", True),
        ("environments/local/rollouts/digits/0123456789.yaml", True),
        ("environments/local/serving/digits/kustomization.yaml", True),
        (JOB, False),
        (WAITING, False),
        ("README.md", False),
    ],
)
def test_what_lies_beside_training_may_change_what_serves(path, serving):
    assert reach(path).serving is serving
    assert reach(path, code=True).serving


def test_experiment_is_judged_alone():
    assert reach(WAITING).documents(VALID) == [WAITING]


def test_promotion_is_judged_with_all_promotions_and_their_weights():
    weights = [path for path in PATHS if "/rollouts/" in path]
    other = "environments/staging/promotions/x.yaml"
    assert reach(other).documents(VALID) == sorted([PROMOTION, *weights])


def test_file_that_is_gone_is_not_judged():
    assert reach("experiments/gone/experiment.yaml").documents(VALID) == []


def test_overlays_are_found_by_what_they_make():
    stray = "environments/local/training/waiting/job.yaml"
    assert reach(JOB, WAITING, stray).jobs == {"ddd4bf48a3"}


@given(st.sets(st.sampled_from(PATHS)), st.sets(st.sampled_from(PATHS)))
def test_larger_change_never_reaches_less(one, other):
    small, large = reach(*one), reach(*one, *other)
    assert large.everything or not small.everything
    assert large.serving or not small.serving
    assert small.jobs <= large.jobs
    if not large.everything:
        assert set(small.documents(VALID)) <= set(large.documents(VALID))


@given(st.sets(st.sampled_from(PATHS)))
def test_what_changes_is_always_judged(changed):
    documents = reach(*changed).documents(VALID)
    assert documents is None or changed <= set(documents)
