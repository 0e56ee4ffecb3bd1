import json
import re
import shutil

import pytest
import yaml
from ml_pipeline.adapters.files import write_changes
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.adapters.kubernetes import (
    EVENTS,
    GIT_REPOSITORIES,
    JOBS,
    KUSTOMIZATIONS,
    PODS,
    SELDON_DEPLOYMENTS,
)
from ml_pipeline.cli import main
from ml_pipeline.documents.changes import Changes
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.environments.embedded import status as embedded_status
from ml_pipeline.environments.embedded.records import status_of
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.layout import SHORT
from ml_pipeline.operations.up import open_origin
from ml_pipeline.rules.automation.observed import Observed
from ml_pipeline.rules.automation.plan import plan
from ml_pipeline.rules.identity.hashes import data_identity

from tests.conftest import git
from tests.support.simulate import moved, serving_status

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


@pytest.fixture
def state(tmp_path, current) -> State:
    """An embedded environment on whose branch `better` is a canary over `good`."""
    found = State(tmp_path / ".ml-pipeline")
    found.origin.mkdir(parents=True)
    git(found.origin, "init", "--quiet", "--bare", "--initial-branch=main")
    commit(found, Changes(current))
    for name, labels in (("a", {"pipeline": "ml-training"}), ("b", {"pipeline": "other"})):
        manifest = {"metadata": {"labels": labels}}
        found.write(
            f"jobs/{name}",
            {
                "name": name,
                "manifest": manifest,
                "phase": "Pending",
                "attempt": 0,
                "message": "waits for cpu: 1 asked, 0 of 2 free",
            },
        )
    predictor = {
        "name": "digits-run-1",
        "run": "x/0123456789",
        "weight": 100,
        "ready": True,
        "message": "ready",
    }
    found.write(
        "serving/digits",
        {
            "model": "digits",
            "labels": {},
            "state": "Available",
            "url": "http://127.0.0.1:1",
            "predictors": [predictor],
        },
    )
    return found


def commit(state: State, changes: Changes) -> None:
    """One more commit on the branch of the environment."""
    repository = Repository(state.origin)
    refs = repository.call("for-each-ref", "--format=%(objectname)")
    parent = refs or repository.call("commit-tree", EMPTY_TREE, "-m", "Begin")
    revision = repository.commit(parent, changes, "Change")
    repository.call("update-ref", "refs/heads/main", revision)


@pytest.fixture
def up(state, monkeypatch) -> State:
    """The same while its supervisor runs."""
    monkeypatch.setattr(embedded_status, "running", lambda _: 1)
    return state


def serve(state: State, **more) -> None:
    """What the environment shows once the declared weights are routed."""
    files = Repository(state.origin).read("HEAD")
    shown = {**state.read("serving/digits"), **serving_status(files, **more)}
    state.write("serving/digits", shown)


def status(state, *options: str) -> int:
    return main(["status", "--repo", str(state.root.parent), *options])


def test_what_waits_says_for_what(state, capsys):
    status(state)
    assert "waits for cpu: 1 asked, 0 of 2 free" in capsys.readouterr().out


def test_settled_experiments_are_told_apart_where_there_are_no_jobs(up, capsys):
    for name in up.names("jobs"):
        up.drop(f"jobs/{name}")
    status(up)
    said = capsys.readouterr().out
    assert "no Jobs yet: waiting waits to be applied" in said
    assert "broken failed, experiments/broken/runs/970e519fc8.yaml is the receipt: " in said
    status(up, "-l", "pipeline=none")
    assert "no Jobs with pipeline=none" in capsys.readouterr().out


def test_labels_select(state, capsys):
    status(state, "-l", "pipeline=ml-training", "--output", "json")
    data = json.loads(capsys.readouterr().out)
    assert ([job["name"] for job in data["jobs"]], data["models"]) == (["a"], [])


def test_served_models_are_shown_with_their_weights(up, capsys):
    status(up)
    said = capsys.readouterr().out
    assert "digits: Available, http://127.0.0.1:1" in said
    assert "100 %  x/0123456789  ready" in said


def test_what_served_before_an_environment_went_down_is_not_available(state, capsys):
    status(state)
    said = capsys.readouterr().out
    assert "digits: Down, http://127.0.0.1:1" in said
    assert "100 %  x/0123456789  down" in said
    assert "vailable" not in said


def test_job_that_ran_when_an_environment_went_down_does_not_run(state, capsys):
    record = state.read("jobs/a")
    state.write("jobs/a", {**record, "phase": "Running", "started": 1.0, "message": ""})
    status(state)
    said = capsys.readouterr().out
    assert "a    Stopped  0    0        goes on with `ml-pipeline up`" in said
    assert "Running" not in said


def test_rollout_is_shown_with_its_progress(up, capsys):
    serve(up, requests=214)
    assert status(up) == 0
    assert (
        "digits: the rollout of better/c39d9a14b0 is at step 1 of 3, 10 % of the traffic; "
        "waits: 214 of 500 requests answered" in capsys.readouterr().out
    )


def test_rollout_in_json_has_numbers(up, capsys):
    serve(up, requests=214)
    status(up, "--output", "json")
    (rollout,) = json.loads(capsys.readouterr().out)["rollouts"]
    keys = ("model", "run", "outcome", "step", "steps", "share", "requests", "min_requests")
    assert tuple(rollout[key] for key in keys) == (
        *("digits", "better/c39d9a14b0", "runs"),
        *(1, 3, 10, 214, 500),
    )


def test_rollout_while_an_environment_is_down_waits_for_it(state, capsys):
    serve(state, requests=900)
    status(state)
    assert "waits: the environment is down" in capsys.readouterr().out


def test_aborted_rollout_is_shown_with_time_reason_and_way_out(up, capsys):
    serve(up, errors=0)
    shown = up.read("serving/digits")
    shown["evidence"][-1]["errors"] = 900
    files = Repository(up.origin).read("HEAD")
    observed = Observed("local", serving={"digits": status_of(shown)})
    abort = plan(load_snapshot(files), observed)[-1]
    commit(up, abort.changes)
    when = git(up.origin, "log", "-1", "--format=%cI", "main")
    assert status(up) == 1
    said = capsys.readouterr().out
    assert f"the rollout of better/c39d9a14b0 was aborted {when}: {abort.reason[:-1]}" in said
    assert "`ml-pipeline promote better/c39d9a14b0 --env local` tries it again" in said


def test_promotion_that_cannot_be_read_is_said(up, capsys):
    path = "environments/local/promotions/digits.yaml"
    commit(up, Changes({path: b"kind: Promotion\n"}))
    assert status(up) == 1
    said = capsys.readouterr().out
    assert f"rollouts are not known: local/main:{path}:1: apiVersion: is missing" in said


def test_facts_that_are_broken_on_the_branch_alone_are_said_to_be_those_of_the_branch(
    rendered_team, capsys
):
    state = State(rendered_team / ".ml-pipeline")
    open_origin(rendered_team, state)
    path = "environments/local/environment.yaml"
    commit(state, Changes({path: b"kind: Environment\n"}))
    assert main(["status", "--repo", str(rendered_team)]) == 1
    said = capsys.readouterr().out
    assert re.search(f"held since .* by Ada: {path}:1: apiVersion: is missing.*revert its", said)
    assert f"rollouts are not known: local/main:{path}:1: apiVersion: is missing" in said
    assert f"no Jobs: nothing is known to train in local while {path} is faulty" in said


def test_environment_that_is_down_is_a_finding(state, capsys):
    assert status(state) == 1
    assert "down; start it with `ml-pipeline up`" in capsys.readouterr().out


def test_revision_that_does_not_build_is_shown(state, capsys):
    state.write(
        "revision", {"applied": "a" * 40, "seen": "b" * 40, "error": "does not build: no such file"}
    )
    status(state)
    assert "revision bbbbbbbbbb does not build: no such file" in capsys.readouterr().out


def test_what_is_not_on_this_machine_is_shown(team, capsys):
    open_origin(team, State(team / ".ml-pipeline"))
    main(["status", "--repo", str(team)])
    said = capsys.readouterr().out
    assert (
        "weak/e96261b1e3 is trained, but its model is not on this machine; `ml-pipeline withdraw weak"
        in said
    )


def test_clone_without_environment_names_the_command(tmp_path, capsys):
    assert main(["status", "--repo", str(tmp_path)]) == 2
    assert "start it with `ml-pipeline up`" in capsys.readouterr().err


@pytest.fixture
def staging(team, files, api, tmp_path):
    """A team with an experiment on staging whose overlay is committed, and an empty cluster for it."""
    write_changes(team, Changes(moved(files)))
    main(["render", "--repo", str(team)])
    git(team, "add", "--all")
    git(team, "commit", "--quiet", "--message", "Train on staging")
    git(team, "push", "--quiet", "origin", "main")
    for kind in (JOBS, PODS, EVENTS):
        api.put(kind, "staging-training")
    api.put(SELDON_DEPLOYMENTS, "staging-serving")
    ready = {"conditions": [{"type": "Ready", "status": "True", "reason": "Succeeded"}]}
    head = git(team, "rev-parse", "HEAD")
    parts = [
        {
            "metadata": {"name": name},
            "spec": {},
            "status": {**ready, "lastAppliedRevision": f"main@sha1:{head}"},
        }
        for name in ("platform", "training", "serving")
    ]
    api.put(KUSTOMIZATIONS, "staging-platform", *parts)
    source = {
        "metadata": {"name": "ml-pipeline"},
        "spec": {"url": "https://x/y.git"},
        "status": ready,
    }
    api.put(
        GIT_REPOSITORIES,
        "staging-platform",
        source,
        {"metadata": {"name": "ml-pipeline-1"}, "spec": {}, "status": {}},
    )
    return team


def on_staging(staging, api, tmp_path, *options: str) -> int:
    return main(
        [
            "status",
            "--repo",
            str(staging),
            "--env",
            "staging",
            "--kubeconfig",
            str(api.kubeconfig(tmp_path)),
            *options,
        ]
    )


def job_name(staging) -> str:
    (folder,) = (staging / "environments/staging/training").glob("waiting-*")
    return (
        f"waiting-train{yaml.safe_load((folder / 'kustomization.yaml').read_text())['nameSuffix']}"
    )


def a_job(name: str, **status) -> dict:
    labels = {
        "ml-pipeline/experiment": "waiting",
        "ml-pipeline/run": "ddd4bf48a3",
        "pipeline": "ml-training",
    }
    return {"metadata": {"name": name, "labels": labels}, "spec": {}, "status": status}


def test_cluster_in_the_desired_state_is_code_0(staging, api, tmp_path, capsys):
    api.put(
        JOBS,
        "staging-training",
        a_job(
            job_name(staging),
            startTime="2026-01-01T00:00:00Z",
            completionTime="2026-01-01T00:01:30Z",
        ),
    )
    assert on_staging(staging, api, tmp_path) == 0
    head = git(staging, "rev-parse", "HEAD")[:10]
    said = capsys.readouterr().out
    assert (
        f"environment staging: main is at {head}; applied: platform {head}, training {head}, serving {head}"
        in said
    )
    assert " 90 " in said


def test_job_that_git_asks_for_and_is_not_there_is_a_finding(staging, api, tmp_path, capsys):
    assert on_staging(staging, api, tmp_path) == 1
    assert (
        f"Job {job_name(staging)} is in git and not in the cluster; Flux makes it at its next look"
        in capsys.readouterr().out
    )


def test_reconcile_that_lacks_something_is_a_finding(staging, api, tmp_path, capsys):
    """Its pod runs, and its readiness probe prints what it lacks."""
    path = staging / "environments/staging/environment.yaml"
    image = '{repository: r.example.com/scripts, digest: "sha256:' + "a" * 64 + '"}'
    path.write_text(path.read_text() + f"reconcile: {{image: {image}, secret: pushes}}\n")
    git(staging, "commit", "--quiet", "--all", "--message", "Commit in the cluster")
    git(staging, "push", "--quiet", "origin", "main")
    running = {
        "conditions": [{"type": "Ready", "status": "False"}],
        "containerStatuses": [{"state": {"running": {"startedAt": "now"}}}],
    }
    metadata = {"name": "reconcile-1", "namespace": "staging-platform"}
    api.put(PODS, "staging-platform", {"metadata": metadata, "spec": {}, "status": running})
    event = {
        "involvedObject": {"name": "reconcile-1"},
        "reason": "Unhealthy",
        "message": "Readiness probe failed: held since noon: the token has expired\n",
    }
    api.put(EVENTS, "staging-platform", event)
    assert on_staging(staging, api, tmp_path) == 1
    assert "reconcile: held since noon: the token has expired" in capsys.readouterr().out


def test_shard_that_is_no_more_is_a_finding(staging, api, tmp_path, capsys):
    path = f"{KUSTOMIZATIONS.path}/namespaces/staging-platform/{KUSTOMIZATIONS.plural}"
    api.objects[path]["items"].append({"metadata": {"name": "training-3"}, "spec": {}})
    assert on_staging(staging, api, tmp_path) == 1
    assert (
        "Kustomization training-3 is of a shard that the environment has no longer; run `ml-pipeline bootstrap"
        in capsys.readouterr().out
    )


def test_job_edited_by_hand_is_a_note(staging, api, tmp_path, capsys):
    thing = a_job(job_name(staging))
    managers = [
        {"manager": "kustomize-controller", "fieldsV1": {"f:spec": {}}},
        {"manager": "kubectl-edit", "fieldsV1": {"f:spec": {}}},
    ]
    thing["metadata"]["managedFields"] = managers
    api.put(JOBS, "staging-training", thing)
    on_staging(staging, api, tmp_path)
    assert "was edited with kubectl-edit, git says otherwise" in capsys.readouterr().out


def test_failed_job_is_a_finding(staging, api, tmp_path, capsys):
    failed = {
        "type": "Failed",
        "status": "True",
        "reason": "DeadlineExceeded",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    api.put(JOBS, "staging-training", a_job(job_name(staging), conditions=[failed]))
    assert on_staging(staging, api, tmp_path) == 1
    assert (
        "raise budget.max_duration in experiments/waiting/experiment.yaml:"
        in capsys.readouterr().out
    )


def test_missing_apis_are_named_with_what_installs_them(staging, api, tmp_path, capsys):
    for kind, namespace in (
        (KUSTOMIZATIONS, "staging-platform"),
        (SELDON_DEPLOYMENTS, "staging-serving"),
    ):
        del api.objects[f"{kind.path}/namespaces/{namespace}/{kind.plural}"]
    assert on_staging(staging, api, tmp_path) == 1
    said = capsys.readouterr().out
    assert "the cluster has no Flux; install it with `flux install`, 2.9 or newer" in said
    assert (
        "SeldonDeployment is not installed; install Seldon Core, or its CRDs and `ml-pipeline bridge`"
        in said
    )


def test_models_of_a_cluster_are_shown_with_weights_and_readiness(staging, api, tmp_path, capsys):
    predictors = [
        {"name": "run-a", "traffic": 90, "annotations": {"ml-pipeline/run": "good/a"}},
        {"name": "run-b", "traffic": 10},
    ]
    there = {"digits-run-a-0-digits": {"availableReplicas": 1}}
    model = {
        "metadata": {"name": "digits"},
        "spec": {"predictors": predictors},
        "status": {"state": "Creating", "deploymentStatus": there},
    }
    api.put(SELDON_DEPLOYMENTS, "staging-serving", model)
    on_staging(staging, api, tmp_path)
    said = capsys.readouterr().out
    assert "digits: Creating, no address yet" in said
    assert "90 %  good/a  ready" in said
    assert "10 %  run-b   not ready" in said


@pytest.fixture
def canary(staging) -> State:
    """A canary on staging; the folder of a bridge on this machine."""
    path = staging / "environments/staging/environment.yaml"
    path.write_text(path.read_text() + "promotes_from: [local]\n")
    local, there = (f"environments/{name}/promotions" for name in ("local", "staging"))
    shutil.copytree(staging / local, staging / there)
    main(["render", "--repo", str(staging)])
    git(staging, "add", "--all")
    git(staging, "commit", "--quiet", "--message", "Promote on staging")
    git(staging, "push", "--quiet", "origin", "main")
    return State(staging / ".ml-pipeline" / "bridge-staging")


def test_rollout_on_a_cluster_says_that_nobody_measures_it(staging, canary, api, tmp_path, capsys):
    on_staging(staging, api, tmp_path)
    assert (
        "digits: the rollout of better/c39d9a14b0 is at step 1 of 3, 10 % of the traffic; waits: "
        "nobody measures what it answers; run `ml-pipeline bridge --env staging`"
        in capsys.readouterr().out
    )


def test_rollout_on_a_cluster_shows_what_the_bridge_here_has_counted(
    staging, canary, api, tmp_path, capsys
):
    files = Repository(staging).read("HEAD")
    canary.write("serving/digits", serving_status(files, environment="staging", requests=214))
    on_staging(staging, api, tmp_path, "--output", "json")
    (rollout,) = json.loads(capsys.readouterr().out)["rollouts"]
    assert (rollout["requests"], rollout["reason"]) == (214, "214 of 500 requests answered")


def test_model_that_no_operator_has_seen_says_so(staging, api, tmp_path, capsys):
    api.put(
        SELDON_DEPLOYMENTS,
        "staging-serving",
        {"metadata": {"name": "digits"}, "spec": {"predictors": [{"name": "a"}]}},
    )
    on_staging(staging, api, tmp_path)
    assert (
        "no operator has seen it; install Seldon Core, or run `ml-pipeline bridge`"
        in capsys.readouterr().out
    )


def test_selector_reaches_the_api_server(staging, api, tmp_path, capsys):
    on_staging(staging, api, tmp_path, "-l", "pipeline=ml-training", "--output", "json")
    assert json.loads(capsys.readouterr().out)["jobs"] == []
    assert (
        "/apis/batch/v1/namespaces/staging-training/jobs",
        {"labelSelector": ["pipeline=ml-training"]},
    ) in api.asked


def test_unknown_environment_names_the_known(team, capsys):
    assert main(["status", "--repo", str(team), "--env", "moon"]) == 2
    assert (
        "environment 'moon' is not in this checkout; known are local, production, staging"
        in capsys.readouterr().err
    )


def test_data_job_is_shown_with_its_experiment(state, tmp_path, snapshot, capsys):
    waiting = snapshot.experiments["waiting"]
    labels = {"pipeline": "ml-training", "ml-pipeline/data": data_identity(waiting)[:SHORT]}
    record = state.read("jobs/a")
    manifest = {"metadata": {"labels": labels}}
    state.write("jobs/a", {**record, "manifest": manifest, "phase": "Failed", "message": "x"})
    main(["status", "--repo", str(tmp_path)])
    line = next(row for row in capsys.readouterr().out.splitlines() if row.startswith("a "))
    assert "data of " in line
    assert line.endswith(": x")
