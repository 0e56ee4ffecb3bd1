"""An experiment that trains each day on what its source holds, on real parts and without a scheduler."""

import hashlib

import pytest
from sklearn.datasets import load_iris

from tests.conftest import git

pytestmark = pytest.mark.slow
FIRST, SECOND, THIRD = "20260301T0000Z", "20260302T0000Z", "20260303T0000Z"


def write(path, rows: slice) -> str:
    """Some rows of a real set as CSV; their digest."""
    iris = load_iris()
    lines = ["sepal_length,sepal_width,petal_length,petal_width,label"]
    for features, label in list(zip(iris.data, iris.target, strict=True))[rows]:
        lines.append(",".join([*map(str, features), str(iris.target_names[label])]))
    path.write_text("\n".join(lines) + "\n")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def source(environment):
    return environment.clone.parent / "flowers.csv"


@pytest.fixture(scope="module")
def daily(environment, source):
    """An experiment with a schedule, which has trained on its first data."""
    digest = write(source, slice(0, None, 2))
    environment.submit(
        "flowers",
        "model.name=flowers",
        f"dataset.uri=file://{source}",
        f"dataset.sha256={digest}",
        "parameters.epochs=60",
        "gates.min_accuracy=0.5",
        "schedule=@daily",
        "retrain.promote=local",
    )
    return environment.wait("the first run", lambda: environment.run_of("flowers"))


def retrain(environment, interval: str, *options: str) -> str:
    return environment.pipeline("retrain", "flowers", "--interval", interval, *options)


def trained(environment) -> int:
    return sum(run.experiment == "flowers" for run in environment.head().runs.values())


def test_interval_trains_on_what_the_source_holds_and_serves(environment, daily, source):
    write(source, slice(1, None, 2))
    said = retrain(environment, FIRST, "--wait")
    assert f"flowers {FIRST}: promoted; flowers/" in said
    assert trained(environment) == 2
    promotion = environment.head().promotions["local", "flowers"]
    environment.wait(
        "the model",
        lambda: (environment.state.read("serving/flowers") or {}).get("state") == "Available",
    )
    assert promotion.run in said


def test_same_bytes_train_nothing_and_end_the_next_interval(environment, daily):
    said = retrain(environment, SECOND, "--wait")
    assert f"flowers {SECOND}: promoted; " in said
    assert "is promoted in local already" in said
    assert trained(environment) == 2


def test_reverted_proposal_trains_nothing_and_stays_away(environment, daily, source):
    write(source, slice(0, None, 3))
    retrain(environment, THIRD)
    environment.revert(f"Retrain flowers for {THIRD}")
    said = retrain(environment, THIRD)
    assert f"flowers {THIRD}: withdrawn; a person has taken" in said
    finished = environment.finished_runs()
    assert len(finished) == len(set(finished))
    log = git(environment.state.origin, "log", "--format=%s", "main").splitlines()
    assert log.count(f"Retrain flowers for {THIRD}") == 1
