"""How long `reconcile` takes for many results that wait at once, by their number; printed."""

import os
import time

import pytest
from ml_pipeline.adapters.files import write_changes
from ml_pipeline.cli import main
from ml_pipeline.documents.changes import Changes
from ml_pipeline.environments.embedded.observe import Observer
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.operations.reconcile import one_pass, open_reconciler
from ml_pipeline.operations.up import open_origin

from tests.conftest import git
from tests.support.many import many
from tests.support.simulate import spoken, trained

pytestmark = pytest.mark.slow
SIZES = [int(size) for size in os.environ.get("SIZES", "100,400,1000").split(",")]


@pytest.mark.parametrize("count", SIZES)
def test_waiting_results_are_settled(count, tmp_path, monkeypatch, say):
    write_changes(tmp_path, Changes(many(count)))
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "Begin")
    state = State(tmp_path / ".ml-pipeline")
    open_origin(tmp_path, state)
    state.write("endpoints", {"mlflow": 9})
    monkeypatch.setattr(Observer, "look", spoken(trained))
    reconciler = open_reconciler(tmp_path, "local")
    begun = time.perf_counter()
    steps, held = one_pass(reconciler)
    settled = time.perf_counter()
    assert one_pass(reconciler) == ((), ())
    again = time.perf_counter()
    one_pass(reconciler)
    idle = time.perf_counter()
    assert (len(steps), held) == (count + 1, ())
    say(
        f"{count} results settled in {settled - begun:.1f} s, one commit each; the pass after it "
        f"{again - settled:.2f} s, one with nothing to do {idle - again:.3f} s"
    )
    assert main(["render", "--check", "--repo", str(clone(tmp_path, state))]) == 0


def clone(tmp_path, state):
    git(tmp_path, "clone", "--quiet", str(state.origin), "read")
    return tmp_path / "read"
