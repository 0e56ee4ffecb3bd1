"""What a person reads when something is wrong, from the real thing that is wrong."""

import json

import pytest
import yaml

from tests.cluster.providers import ClusterBin
from tests.cluster.receipts import prepared_data
from tests.conftest import git


def status(team, *arguments: str, code: int = 1) -> str:
    return team.on_cluster("status", *arguments, code=code)


def says(team, text: str, *more: str) -> str:
    """Wait until `status` says something; the whole of it."""
    return team.wait(
        f"status to say {text!r}; it says: {team.on_cluster('status', code=None)}",
        lambda: (said := team.on_cluster("status", code=None))
        and all(t in said for t in (text, *more))
        and said,
        60,
    )


def line_of(said: str, text: str) -> str:
    return next(line for line in said.splitlines() if text in line)


@pytest.fixture
def experiment(team):
    """Submit an experiment on data that counts as prepared; afterwards it is taken back."""
    added = []

    def add(name: str, *settings: str) -> None:
        added.append(name)
        team.submit(name, *settings)

    yield add
    for name in added:
        team.revert(f"^Train {name}$")
    team.wait("the Jobs to go", team.is_idle)


@pytest.fixture(scope="module")
def prepared(team):
    """Data that counts as prepared: a receipt, as `reconcile` writes it."""
    team.submit("prepared", "seed=1")
    team.pull()
    prepared_data(team, "prepared")
    git(team.clone, "rm", "--quiet", "experiments/prepared/experiment.yaml")
    team.pipeline("render")
    team.commit("Prepare the data")
    team.wait("the data Job to go", team.is_idle)
    return team


def test_environment_in_the_desired_state_is_no_finding(team):
    team.wait(
        "the platform",
        lambda: all(team.ready(part) for part in ("platform", "training", "serving")),
    )
    assert "no Jobs: " in status(team, code=0)


def test_image_that_cannot_be_pulled(prepared, team, experiment):
    experiment("unpullable", "seed=2")
    said = says(team, "cannot pull registry.example.com/ml/trainer@sha256:000")
    assert "push the image, or correct images.trainer in environment.yaml" in said


def test_pod_that_fits_no_node_names_the_resource_and_the_pool(prepared, team, experiment):
    experiment("large", "seed=3", "resources.cpu=40")
    said = line_of(says(team, "unschedulable"), "unschedulable")
    assert (
        "cpu 40 asked, pool node has 1 x 64; wait, or lower resources.cpu in experiments/large/experiment.yaml:"
        in said
    )


def test_quota_names_what_is_used(prepared, team, experiment):
    experiment("half", "seed=4", "resources.cpu=40")
    team.wait("the first pod", lambda: team.objects("pods"))
    experiment("other-half", "seed=5", "resources.cpu=40")
    said = line_of(says(team, "quota pools"), "quota pools")
    assert (
        "asked requests.cpu=40, used requests.cpu=40 of requests.cpu=64; wait for other runs, or raise the pools"
        in said
    )


def test_overlay_edited_by_hand_is_denied_and_named(prepared, team, experiment):
    experiment("edited", "seed=6")
    team.pull()
    (job,) = (team.clone / f"environments/{team.name}/training").glob("edited-*/job.yaml")
    body = yaml.safe_load(job.read_text())
    body["spec"]["ttlSecondsAfterFinished"] = 60
    body["metadata"]["name"] = "train"
    job.write_text(yaml.safe_dump(body))
    (kustomization,) = job.parent.glob("kustomization.yaml")
    kustomization.write_text(
        kustomization.read_text()
        .replace("nameSuffix: ", "nameSuffix: -by-hand")
        .replace("-by-hand'-", "'-by-hand")
    )
    team.commit("Edit by hand")
    said = says(team, "is denied by the policy")
    assert (
        f"{team.name}-jobs-run-once: ttlSecondsAfterFinished would let Flux train the run again"
        in said
    )
    assert "does not follow from the documents" in said
    team.revert("^Edit by hand$")
    team.wait("Flux to go on", lambda: team.ready("training", team.head_revision()))


def test_job_edited_by_hand_is_named(prepared, team, experiment):
    experiment("patched", "seed=7")
    (name,) = team.wait("the Job", team.jobs)
    team.kubectl(
        "patch",
        "job",
        name,
        "--type=merge",
        "-p",
        json.dumps({"spec": {"activeDeadlineSeconds": 5000}}),
    )
    assert (
        "was edited with kubectl-patch, git says otherwise; delete the Job and Flux makes git's"
        in says(team, "was edited")
    )


def test_job_deleted_by_hand_is_named_and_comes_back(prepared, team, experiment):
    experiment("deleted", "seed=8")
    (name,) = team.wait("the Job", team.jobs)
    team.kubectl("delete", "job", name)
    assert f"Job {name} is in git and not in the cluster" in says(team, "not in the cluster")
    team.kubectl(
        "annotate",
        "kustomizations.kustomize.toolkit.fluxcd.io",
        "training",
        "reconcile.fluxcd.io/requestedAt=now",
        part="platform",
    )
    team.wait("the Job again", lambda: name in team.jobs())


def test_base_that_no_longer_builds(prepared, team, experiment):
    experiment("unbuilt", "seed=9")
    team.pull()
    path = team.clone / "base/training-job/kustomization.yaml"
    path.write_text(path.read_text() + "- gone.yaml\n")
    git(team.clone, "commit", "--quiet", "--all", "--message", "Break the base")
    team.push()
    assert "Kustomization training: does not build: " in says(team, "does not build")
    assert len(team.jobs()) == 1, "a build that fails prunes nothing"
    team.revert("^Break the base$")


def test_namespace_deleted_is_named_and_bootstrap_brings_it_back(prepared, team):
    team.provider.kubectl("delete", "namespace", f"{team.name}-serving")
    team.kubectl(
        "annotate",
        "kustomizations.kustomize.toolkit.fluxcd.io",
        "serving",
        "reconcile.fluxcd.io/requestedAt=1",
        part="platform",
    )
    said = says(team, "Kustomization serving")
    assert "run `ml-pipeline bootstrap --apply`" in line_of(said, "Kustomization serving")
    team.on_cluster("bootstrap", "--apply")
    for part in ("platform", "serving"):
        team.kubectl(
            "annotate",
            "kustomizations.kustomize.toolkit.fluxcd.io",
            part,
            "reconcile.fluxcd.io/requestedAt=2",
            "--overwrite",
            part="platform",
        )
    team.wait("serving again", lambda: team.ready("serving"))


def test_repository_that_cannot_be_fetched(prepared, team):
    path = team.clone / f"environments/{team.name}/environment.yaml"
    before = path.read_text()
    path.write_text(before.replace(f"/{team.name}.git", "/gone.git"))
    team.pipeline("render")
    team.on_cluster("bootstrap", "--apply")
    git(team.clone, "checkout", "--quiet", ".")
    assert "check source.url and the branch in environment.yaml" in says(
        team, "GitRepository ml-pipeline"
    )
    team.on_cluster("bootstrap", "--apply")
    team.wait("the repository", lambda: "GitRepository" not in team.on_cluster("status", code=None))


def test_environment_of_another_cluster_is_refused_and_named(prepared, team):
    path = team.clone / f"environments/{team.name}/environment.yaml"
    path.write_text(path.read_text() + "cluster: 00000000-0000-0000-0000-000000000000\n")
    team.commit("Move to another cluster")
    said = team.on_cluster("bootstrap", "--apply", code=2)
    assert (
        f"{team.name} belongs to the cluster 00000000-0000-0000-0000-000000000000, this is" in said
    )
    assert "two would train it; disconnect one of them" in status(team)
    team.revert("^Move to another cluster$")


def kubeconfig(team, tmp_path, **user) -> str:
    whole = yaml.safe_load(team.provider.kubeconfig.read_text())
    whole["users"][0]["user"] = user
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(whole))
    return f"--kubeconfig={path}"


def test_expired_credentials(team, tmp_path):
    said = team.pipeline(
        "status", "--env", team.name, kubeconfig(team, tmp_path, token="expired"), code=2
    )
    assert (
        said
        == "the API server does not accept the credentials (expired, or revoked); renew the kubeconfig"
    )


def test_credentials_without_the_role(team, tmp_path):
    token = team.kubectl("create", "token", "training", part="platform").strip()
    said = team.pipeline(
        "status", "--env", team.name, kubeconfig(team, tmp_path, token=token), code=2
    )
    assert said.endswith("ask for the group ml-pipeline-readers")


def test_reading_role_is_enough_for_status(prepared, team, experiment, tmp_path):
    experiment("read", "seed=10")
    team.wait("the pod", lambda: team.objects("pods"))
    account = f"--serviceaccount={team.name}-platform:default"
    for part in ("platform", "training", "serving"):
        team.kubectl("create", "rolebinding", "reader", "--role=read", account, part=part)
    token = team.kubectl("create", "token", "default", part="platform").strip()
    said = team.pipeline(
        "status", "--env", team.name, kubeconfig(team, tmp_path, token=token), code=None
    )
    assert "read-train-" in said
    assert "forbidden" not in said


def test_cluster_that_does_not_answer(team, tmp_path):
    whole = yaml.safe_load(team.provider.kubeconfig.read_text())
    whole["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(whole))
    said = team.pipeline("status", "--env", team.name, f"--kubeconfig={path}", code=2)
    assert said.endswith("does not answer; check the network, or the address in the kubeconfig")


def test_cluster_without_flux(team, provider):
    if not isinstance(provider, ClusterBin):
        pytest.skip("only cluster-bin starts a second cluster in seconds")
    other = ClusterBin("--no-flux")
    try:
        said = team.pipeline(
            "bootstrap", "--env", team.name, "--apply", f"--kubeconfig={other.kubeconfig}", code=2
        )
        assert said == "the cluster has no Flux; install it with `flux install`, 2.9 or newer"
        assert "the cluster has no Flux" in team.pipeline(
            "status", "--env", team.name, f"--kubeconfig={other.kubeconfig}", code=1
        )
        assert "SeldonDeployment is not installed" in team.pipeline(
            "status", "--env", team.name, f"--kubeconfig={other.kubeconfig}", code=1
        )
    finally:
        other.down()
