"""A whole day of a new team on real parts: mistakes among healthy work, and nothing stands still.

Each test goes on where the one before has ended.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.adapters.load import Load
from ml_pipeline.documents.receipts import Run
from ml_pipeline.documents.snapshot import Snapshot

from tests.conftest import git

pytestmark = pytest.mark.slow

HEALTHY = ("parameters.epochs=8",)
STEPS = ("--steps", "20,100", "--min-requests", "60", "--max-p99-increase", "1000")


def reference(run) -> str:
    return f"{run.experiment}/{run.id}"


def routed(environment) -> dict[str, int]:
    return environment.serving().get("routed", {})


def status(environment) -> str:
    """What `status` prints, whatever its exit code is."""
    done = subprocess.run(
        [sys.executable, "-m", "ml_pipeline.cli", "status"],
        cwd=environment.clone,
        capture_output=True,
        text=True,
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def settled(environment, name: str, *settings: str):
    """The receipt of a new experiment's run."""
    environment.submit(name, *settings)
    return environment.wait(f"the receipt of {name}", lambda: environment.run_of(name))


def source(path: Path, text: str) -> tuple[str, str]:
    """Settings that name a file of the team's own as the data."""
    path.write_text(text)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"dataset.uri=file://{path}", f"dataset.sha256={digest}"


def run_on_a_broken_branch(environment, name: str):
    """The receipt of an experiment, read without the documents that cannot be."""
    snapshot = Snapshot(Repository(environment.state.origin).read("main"))
    paths = [path for path in snapshot.paths.get(Run, []) if f"/{name}/" in path]
    return snapshot.document(paths[0]) if paths else None


def job_of(environment, name: str) -> str | None:
    """The running training Job of an experiment."""
    state = environment.state
    jobs = [job for job in state.names("jobs") if job.startswith(f"{name}-train-")]
    running = [job for job in jobs if (state.read(f"jobs/{job}") or {}).get("phase") == "Running"]
    return running[0] if running else None


def push(environment, path: str, content: str, message: str) -> None:
    """A colleague's commit, with plain git and without any check."""
    git(environment.clone, "fetch", "--quiet", "local")
    git(environment.clone, "checkout", "--quiet", "--detach", "local/main")
    target = environment.clone / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(content)
    git(environment.clone, "add", "--all")
    git(environment.clone, "commit", "--quiet", "--message", message)
    git(environment.clone, "push", "--quiet", "local", "HEAD:main")


@pytest.fixture(scope="module")
def first(environment):
    return settled(environment, "first", *HEALTHY)


@pytest.fixture(scope="module")
def second(environment, first):
    return settled(environment, "second", *HEALTHY, "model.type=cnn", "parameters.hidden=8")


@pytest.fixture(scope="module")
def load(environment, first):
    """Steady requests to the first run, which serves alone."""
    environment.pipeline("promote", "first")
    environment.wait("the first model", lambda: routed(environment) == {reference(first): 100})
    found = Load(environment.serving()["url"], (1, 8, 8), 60)
    found.start()
    yield found
    found.stop()


def test_table_with_a_word_in_it_fails_at_once_and_says_where(environment, tmp_path):
    own = source(tmp_path / "cities.csv", "height,city,label\n1,2,0\n3,Zürich,1\n5,6,0\n7,8,1\n")
    environment.submit("cities", *own)

    def failed():
        return next((d for d in environment.head().data.values() if d.data is None), None)

    receipt = environment.wait("the failed data", failed)
    assert "column 'city', row 2: 'Zürich' is not a number" in receipt.reason
    environment.wait("its reason in status", lambda: "Zürich" in status(environment), 30)


def test_run_that_diverges_is_a_failed_receipt_with_the_repair(environment, tmp_path):
    """Each value is finite, their sum is not."""
    rows = "".join(f"{3 - n % 2}e38,{n % 2}\n" for n in range(200))
    own = source(tmp_path / "huge.csv", f"size,label\n{rows}")
    run = settled(environment, "wild", "model.name=huge", *own, *HEALTHY)
    assert run.outcome == "failed"
    assert "is not finite in epoch 1; lower parameters.learning_rate, or scale" in run.reason


def test_healthy_runs_among_them_are_settled(environment, first, second):
    assert (first.outcome, second.outcome) == ("succeeded", "succeeded")


def test_unreadable_document_of_a_colleague_stops_nobody_else(environment, first):
    environment.submit("during", *HEALTHY, "seed=13")
    push(environment, "experiments/broken/experiment.yaml", "kind: [\n", "Break")
    run = environment.wait("the run", lambda: run_on_a_broken_branch(environment, "during"))
    assert run.outcome == "succeeded"
    held = environment.wait(
        "the hold in status",
        lambda: [line for line in status(environment).splitlines() if "held since" in line],
    )
    assert held == status(environment).splitlines()[:1]
    assert "experiments/broken/experiment.yaml" in held[0]
    environment.pipeline("withdraw", "experiments/broken/experiment.yaml")
    environment.wait("nothing held", lambda: "held since" not in status(environment), 30)


def test_canary_that_answers_nothing_right_is_taken_out(environment, first, load):
    """It takes rows of another shape, and a person has let it pass."""
    other = ("model.name=digits", "dataset.uri=bundled://iris", "gates.min_accuracy=0.1")
    odd = settled(environment, "odd", *HEALTHY, *other)
    refused = environment.pipeline("promote", "odd", code=2)
    assert "--accept-signature-change" in refused
    environment.pipeline("promote", "odd", "--accept-signature-change", *STEPS)
    environment.wait("the canary", lambda: routed(environment).get(reference(odd)) == 20)
    environment.wait("the abort", lambda: routed(environment) == {reference(first): 100})
    said = environment.wait(
        "the abort in status",
        lambda: [line for line in status(environment).splitlines() if "was aborted" in line],
        30,
    )
    assert reference(odd) in said[0]
    assert [v.outcome for v in environment.head().verdicts.values()] == ["aborted"]


def test_run_that_was_reverted_comes_back_through_a_canary_of_its_own(
    environment, first, second, load
):
    old, new = reference(first), reference(second)
    environment.pipeline("promote", "second", *STEPS)
    environment.wait("the end of the rollout", lambda: routed(environment) == {new: 100})
    environment.revert("^Promote digits to second")
    environment.wait("the old version", lambda: routed(environment) == {old: 100})
    environment.pipeline("promote", "second", *STEPS)
    environment.wait("the canary", lambda: routed(environment) == {old: 80, new: 20})
    assert environment.head().promotions["local", "digits"].attempt == 2
    environment.wait("the end of the second rollout", lambda: routed(environment) == {new: 100})


def test_revert_of_an_experiment_that_trains_is_clean_and_ends_its_job(environment, first):
    environment.submit("long", "parameters.epochs=9000", "seed=21")
    environment.submit("beside", *HEALTHY, "seed=22")
    job = environment.wait("the long training", lambda: job_of(environment, "long"))
    environment.revert("^Train long")
    environment.wait("the end of its Job", lambda: job not in environment.state.names("jobs"), 60)
    run = environment.wait("the run beside it", lambda: environment.run_of("beside"))
    assert run.outcome == "succeeded"
    assert environment.run_of("long") is None


def test_restart_goes_on_with_everything(environment, second, load):
    load.stop()
    environment.pipeline("down")
    down = status(environment)
    assert "Available" not in down
    assert "environment down" in down
    environment.pipeline("up")
    environment.wait("the model", lambda: routed(environment) == {reference(second): 100})
    assert settled(environment, "after", *HEALTHY, "seed=31").outcome == "succeeded"
    assert [line for line in status(environment).splitlines() if "held since" in line] == []
