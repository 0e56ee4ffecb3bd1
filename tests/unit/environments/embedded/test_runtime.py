import pytest
from ml_pipeline.environments.embedded.runtime import EmbeddedRuntime
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.environments.records import Held

HELD = (
    Held("experiments/a/experiment.yaml", "is wrong; correct it", "0123456789"),
    Held("Job a", "no receipt", "2026-01-02 03:04"),
)


@pytest.fixture
def runtime(tmp_path):
    return EmbeddedRuntime(State(tmp_path / ".ml-pipeline"), "local")


def test_what_is_held_is_found_again_by_another_process(runtime):
    runtime.keep_holds(HELD)
    assert EmbeddedRuntime(runtime.state, "local").holds() == HELD


def test_newest_look_takes_the_place_of_the_one_before(runtime):
    runtime.keep_holds(HELD)
    runtime.keep_holds(HELD[1:])
    assert runtime.holds() == HELD[1:]


def test_nothing_held_leaves_nothing_behind(runtime):
    assert runtime.holds() == ()
    runtime.keep_holds(HELD)
    runtime.keep_holds(())
    assert runtime.holds() == ()
    runtime.keep_holds(())
    assert runtime.holds() == ()


def test_both_repositories_lie_in_its_state(runtime):
    here = runtime.git
    assert here.origin != here.automation
    assert {here.origin.parent, here.automation.parent} == {runtime.state.root}


def test_line_of_what_is_held_says_since_when():
    assert str(HELD[1]) == "held since 2026-01-02 03:04: no receipt"
