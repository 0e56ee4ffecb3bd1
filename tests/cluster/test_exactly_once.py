"""Exactly once, counted: Jobs from a watch of the API server, trainings from the real MLflow."""

import os
import time

import pytest

from tests.cluster.watch import Watch

RECONCILIATIONS = int(os.environ.get("RECONCILIATIONS", "60"))
CONTROLLERS = ("source-controller", "kustomize-controller", "kube-controller-manager")


@pytest.fixture(scope="module")
def team(training_team):
    return training_team


@pytest.fixture(scope="module")
def jobs(team):
    """Every Job of the environment that the API server ever has."""
    with Watch(
        team.provider.kubeconfig, f"/apis/batch/v1/namespaces/{team.name}-training/jobs"
    ) as watch:
        yield watch


@pytest.fixture(scope="module")
def once(team, jobs):
    """An experiment that trains while it is reconciled as often as can be asked for."""
    team.submit("once", "seed=11", "parameters.epochs=20")
    team.wait("the data receipt", lambda: "Record data" in team.reconcile())
    return team


def requested(team) -> str:
    return f"reconcile.fluxcd.io/requestedAt={time.time_ns()}"


def poke(team, *, count: int) -> int:
    """Ask Flux to look again, as `flux reconcile` does, and wait each time until it has; how often it did."""
    done = 0
    for _ in range(count):
        mark = requested(team)
        team.kubectl(
            "annotate",
            "--overwrite",
            "kustomizations.kustomize.toolkit.fluxcd.io",
            "training",
            mark,
            part="platform",
        )
        wanted = mark.partition("=")[2]
        team.wait("Flux to look", lambda w=wanted: handled(team) == w, 60)
        done += 1
    return done


def handled(team) -> str:
    path = "jsonpath={.status.lastHandledReconcileAt}"
    return team.kubectl(
        "get", "kustomizations.kustomize.toolkit.fluxcd.io", "training", "-o", path, part="platform"
    )


def test_hundreds_of_reconciliations_make_one_job(once, jobs, capsys):
    looked = 0
    for turn in range(3):
        looked += poke(once, count=RECONCILIATIONS // 3)
        once.provider.restart(CONTROLLERS[turn])
    once.wait("the receipt", lambda: once.reconcile() and once.run_of("once"))
    made = {name: len(uids) for name, uids in jobs.names().items()}
    with capsys.disabled():
        print(
            f"\n{looked} reconciliations of the training Kustomization, {len(CONTROLLERS)} controllers killed: Jobs created {made}"
        )
    assert sorted(made.values()) == [1, 1]
    assert once.trained().count(once.run_of("once").identity) == 1


def settled(team, jobs, before: int) -> None:
    """Flux has applied the head, and nothing was created for it."""
    team.wait("Flux to apply", lambda: team.applied("training") == team.head_revision())
    assert sum(map(len, jobs.names().values())) == before


def test_reordered_keys_and_a_comment_create_nothing(once, jobs):
    before = sum(map(len, jobs.names().values()))
    once.pull()
    path = once.clone / "experiments/once/experiment.yaml"
    comment, *lines = path.read_text().splitlines()
    top = [n for n, line in enumerate(lines) if line and not line.startswith((" ", "-"))]
    blocks = [lines[a:b] for a, b in zip(top, [*top[1:], len(lines)], strict=True)]
    path.write_text(
        "\n".join(
            [comment, "# in another order", *(line for block in reversed(blocks) for line in block)]
        )
        + "\n"
    )
    once.pipeline("render")
    once.commit("Reorder the keys")
    settled(once, jobs, before)


def test_revert_and_revert_of_the_revert_create_nothing(once, jobs):
    before = sum(map(len, jobs.names().values()))
    once.revert("^Reorder the keys$")
    once.revert("^Train once$")
    settled(once, jobs, before)
    once.revert('^Revert "Train once"$')
    settled(once, jobs, before)


def test_overlay_of_a_finished_run_brought_back_trains_nothing(once, jobs):
    """A revert of automation's commit takes the receipt away and asks for another try: the trainer finds the finished run."""
    run = once.run_of("once")
    once.revert("^Record run once/")
    (name,) = once.wait("the Job", once.jobs)
    once.wait("the Job to end", lambda: once.jobs()[name]["status"].get("succeeded") == 1)
    assert "has been trained already" in once.on_cluster("logs", run.id)
    once.wait("the receipt", lambda: once.reconcile() and once.run_of("once"))
    assert once.run_of("once").tracking == run.tracking
    assert once.trained().count(run.identity) == 1


def test_changed_memory_is_another_job_for_the_same_run(once, jobs):
    def saved() -> set:
        return set(once.folder.glob("checkpoints/*/newest.pt"))

    before = saved()
    once.submit("sized", "seed=12", "parameters.epochs=2000")
    (first,) = once.wait(
        "the Job", lambda: [name for name in once.jobs() if name.startswith("sized")]
    )
    once.wait("a checkpoint", lambda: saved() - before)
    once.submit("sized", "seed=12", "parameters.epochs=2000", "resources.memory=1200Mi")
    (second,) = once.wait(
        "the other Job",
        lambda: [name for name in once.jobs() if name.startswith("sized") and name != first],
    )
    once.wait("it to resume", lambda: "resuming at epoch" in log_of(once, second))
    once.remove("sized")
    once.wait("the Jobs to go", lambda: not once.jobs())


def log_of(team, job: str) -> str:
    try:
        return team.kubectl("logs", f"job/{job}")
    except AssertionError:  # not started yet
        return ""
