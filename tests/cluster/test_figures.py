"""The figures of docs/benchmarks.md that need a cluster: `make bench-cluster` prints them; nothing is asserted of wall-clock time."""

import json
import os
import statistics
import time

import pytest

from tests.cluster.receipts import NEW, NEW_PREDICTOR, OLD, OLD_PREDICTOR, promotion, settle
from tests.cluster.watch import Watch
from tests.conftest import git

TRIES = int(os.environ.get("TRIES", "3"))


def shown(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    return f"p50 {statistics.median(ordered):.2f} s, p95 {p95:.2f} s, max {ordered[-1]:.2f} s of {len(ordered)}"


@pytest.fixture(scope="module")
def training(training_team):
    """A team whose data is prepared, so that an experiment is one training Job."""
    team = training_team
    team.submit("first", "seed=100")
    team.wait("the data receipt", lambda: "Record data" in team.reconcile())
    team.wait("the receipt", lambda: team.reconcile() and team.run_of("first"))
    team.pull()
    return team


def watches(team) -> tuple[Watch, Watch, Watch]:
    paths = (
        f"/apis/source.toolkit.fluxcd.io/v1/namespaces/{team.name}-platform/gitrepositories",
        f"/apis/batch/v1/namespaces/{team.name}-training/jobs",
        f"/api/v1/namespaces/{team.name}-training/pods",
    )
    return tuple(Watch(team.provider.kubeconfig, path) for path in paths)


def revision_of(source: dict) -> str:
    return source.get("status", {}).get("artifact", {}).get("revision", "")


def running(kind, pod) -> bool:
    return pod["status"].get("phase") == "Running"


def add_experiment(team, number: int) -> None:
    """Write an experiment that is like the first, with another seed, and what follows from it."""
    first = (team.clone / "experiments/first/experiment.yaml").read_text()
    path = team.clone / f"experiments/bench-{number}/experiment.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        first.replace("name: first", f"name: bench-{number}").replace(
            "seed: 100", f"seed: {1000 + number}"
        )
    )
    team.pipeline("render")


def clear(team) -> None:
    team.wait("the pods to go", lambda: not team.objects("pods"))


def test_push_to_running_pod(training, capsys):
    team, rows = training, {"fetched": [], "Job created": [], "pod running": []}
    sources, jobs, pods = watches(team)
    with sources, jobs, pods:
        for number in range(TRIES):
            add_experiment(team, number)
            git(team.clone, "add", "--all")
            git(team.clone, "commit", "--quiet", "--message", f"Train bench-{number}")
            start = time.monotonic()
            team.push()
            revision = git(team.clone, "rev-parse", "HEAD")
            steps = (
                lambda s=start, r=revision: sources.first(
                    s, lambda _, thing: r in revision_of(thing)
                ),
                lambda s=start: jobs.first(s, lambda kind, _: kind == "ADDED"),
                lambda s=start: pods.first(s, running),
            )
            for seconds, step in zip(rows.values(), steps, strict=True):
                seconds.append(team.wait("the pod to run", step) - start)
            team.revert(f"^Train bench-{number}$")
            clear(team)
    plain = [bare(team, number) for number in range(TRIES)]
    with capsys.disabled():
        print("\npush -> pod running, with the Receiver (the push itself is part of it)")
        for name, seconds in rows.items():
            print(f"  -> {name}: {shown(seconds)}")
        print(f"kubectl create -f job.yaml -> pod running: {shown(plain)}")
        ratio = statistics.median(rows["pod running"]) / statistics.median(plain)
        print(f"ratio of the medians: {ratio:.2f}")
    assert len(rows["pod running"]) == TRIES


def bare(team, number: int) -> float:
    """The same Job by `kubectl apply`, without git and Flux."""
    add_experiment(team, 500 + number)
    (overlay,) = (team.clone / f"environments/{team.name}/training").glob(f"bench-{500 + number}-*")
    manifest = team.folder / "job.yaml"
    manifest.write_text(team.provider.kubectl("kustomize", str(overlay)))
    git(team.clone, "clean", "--quiet", "-fd")
    git(team.clone, "checkout", "--quiet", ".")
    with Watch(team.provider.kubeconfig, f"/api/v1/namespaces/{team.name}-training/pods") as pods:
        start = time.monotonic()
        team.kubectl("create", "-f", str(manifest))
        team.wait("the pod to run", lambda: pods.first(start, running))
        found = pods.first(start, running) - start
    team.kubectl("delete", "-f", str(manifest), "--wait=true")
    clear(team)
    return found


@pytest.fixture(scope="module")
def serving(team):
    """A team with two settled runs, the old one promoted."""
    settle(team)
    promotion(team, OLD)
    team.commit("Promote the old run")
    team.wait("the old run", lambda: team.declared() == {OLD_PREDICTOR: 100})
    return team


def make_available(team) -> None:
    """The status that the operator writes once every predictor is ready."""
    (thing,) = team.objects("seldondeployments.machinelearning.seldon.io", "serving")
    there = {
        f"digits-{p['name']}-0-digits": {"replicas": 1, "availableReplicas": 1}
        for p in thing["spec"]["predictors"]
    }
    status = json.dumps({"status": {"state": "Available", "deploymentStatus": there}})
    team.kubectl(
        "patch",
        "seldondeployments.machinelearning.seldon.io",
        "digits",
        "--subresource=status",
        "--type=merge",
        "-p",
        status,
        part="serving",
    )


@pytest.mark.parametrize("healthy", [True, False], ids=["healthy", "while a health check waits"])
def test_revert_to_previous_spec(serving, capsys, healthy):
    team, seconds = serving, []
    path = f"/apis/machinelearning.seldon.io/v1/namespaces/{team.name}-serving/seldondeployments"
    with Watch(team.provider.kubeconfig, path) as watch:
        for _ in range(TRIES):
            promotion(team, NEW, OLD)
            revision = team.commit("Promote the new run")
            team.wait(
                "the canary", lambda: team.declared() == {OLD_PREDICTOR: 90, NEW_PREDICTOR: 10}
            )
            if healthy:
                make_available(team)
                team.wait("Flux's health check", lambda r=revision: team.ready("serving", r))
            git(team.clone, "revert", "--no-edit", "HEAD")
            start = time.monotonic()
            team.push()
            team.wait(
                "the old spec",
                lambda s=start: watch.first(
                    s, lambda kind, thing: len(thing["spec"]["predictors"]) == 1
                ),
            )
            seconds.append(
                watch.first(start, lambda kind, thing: len(thing["spec"]["predictors"]) == 1)
                - start
            )
    with capsys.disabled():
        print(
            f"\nrevert pushed -> previous spec in the API server, {'healthy' if healthy else 'while a health check waits'}: {shown(seconds)}"
        )
    assert len(seconds) == TRIES
