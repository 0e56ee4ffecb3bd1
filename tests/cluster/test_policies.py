"""The real API server gives each example the verdict, and the message, that its file states."""

import json
import re
from pathlib import Path

import pytest
import yaml
from ml_pipeline.adapters.kustomize import build_objects
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.review.policies import policies_of

from tests.cluster.team import Team, new_team
from tests.conftest import FIXTURES, REPOSITORY, folder, git

EXAMPLES = sorted((FIXTURES / "policies").glob("*/*/*.yaml"))
PATHS = {
    "Job": "/apis/batch/v1/namespaces/{}-training/jobs",
    "SeldonDeployment": "/apis/machinelearning.seldon.io/v1/namespaces/{}-serving/seldondeployments",
    "Service": "/api/v1/namespaces/{}-training/services",
    "ServiceAccount": "/api/v1/namespaces/{}-training/serviceaccounts",
}
OF_PLATFORM = ("PriorityClass", "ClusterQueue", "LocalQueue", "Secret", "PersistentVolumeClaim")


class LikeStaging(Team):
    """An environment with the registry and the largest node of staging, from its first revision: a policy that is in force
    is the one that the examples are about."""

    def facts(self, serving: str) -> str:
        registry = "repository: registry.example.com/ml/serving"
        return (
            super()
            .facts(serving)
            .replace("repository: serving", registry)
            .replace("cpu: 64, memory: 256Gi,", "cpu: 64, memory: 256Gi, gpus: 4, gpu_type: A100,")
            .replace(self.services.mlflow, "http://mlflow.staging-platform.svc:5000")
            .replace("file:///artifacts, claim: artifacts", "s3://ml-staging")
        )


@pytest.fixture(scope="module")
def team(services, tmp_path_factory):
    found = new_team(services, tmp_path_factory.mktemp("team"), kind=LikeStaging)
    found.wait("the platform", lambda: found.ready("platform", found.head_revision()))
    # The API server learns of each policy, and of its binding, by itself: one that is in force says nothing of the others.
    for policy, example in first_rejected().items():
        name = f"ValidatingAdmissionPolicy '{found.name}-{policy}'"
        found.wait(f"{name} to be enforced", lambda n=name, e=example: n in refused(found, e))
    yield found
    found.end()


def first_rejected() -> dict[str, Path]:
    """An example of each policy that it alone refuses."""
    rejected = (example for example in reversed(EXAMPLES) if example.parent.name == "rejected")
    return {example.parents[1].name: example for example in rejected}


def post(team, thing: dict) -> str:
    """What the API server says to a dry run of the account that Flux applies with; empty where it takes it."""
    from kubernetes import config
    from kubernetes.client import ApiException

    api = config.new_client_from_config(str(team.provider.kubeconfig))
    user = f"system:serviceaccount:{team.name}-platform:{part_of(thing)}"
    if thing["kind"] in OF_PLATFORM:
        return apply(team, thing, user)
    try:
        path = PATHS[thing["kind"]].format(team.name)
        api.call_api(
            path,
            "POST",
            query_params=[("dryRun", "All")],
            header_params={"Impersonate-User": user},
            body=thing,
            auth_settings=["BearerToken"],
            response_types_map={201: "object"},
        )
    except ApiException as error:
        # A kind whose CRD the API server has just got is answered in plain text.
        return json.loads(error.body)["message"] if error.body.startswith("{") else error.body
    return ""


def apply(team, thing: dict, user: str) -> str:
    """What the API server says when Flux applies an object, which names it in the request as its rights demand."""
    try:
        team.provider.kubectl(
            "apply",
            "--server-side",
            "--force-conflicts",
            "--dry-run=server",
            f"--as={user}",
            "-f",
            "-",
            stdin=json.dumps(thing),
        )
    except AssertionError as error:
        return str(error).strip()
    return ""


def part_of(thing: dict) -> str:
    """What an object is a part of, and is applied with the account of."""
    if thing["kind"] in OF_PLATFORM:
        return "platform"
    return "serving" if thing["kind"] == "SeldonDeployment" else "training"


def load(team, example: Path) -> dict:
    """An example about staging as it would be in the team's environment."""
    text = example.read_text()
    for part in ("training", "serving"):
        text = text.replace(f"staging-{part}", f"{team.name}-{part}")
    return yaml.safe_load(text.replace("environment: staging", f"environment: {team.name}"))


def refused(team, example: Path) -> str:
    return post(team, load(team, example))


def test_there_are_enough_examples():
    assert len(EXAMPLES) >= 250
    bindings = (REPOSITORY / "base/platform/policies").glob("*-binding.yaml")
    policies = {path.stem.removesuffix("-binding") for path in bindings}
    assert {example.parents[1].name for example in EXAMPLES} == policies


@pytest.fixture(scope="module")
def policies(team):
    """The same policies as evaluated without a cluster."""
    files = folder(team.clone, "environments") | folder(team.clone, "base")
    snapshot = Snapshot(files)
    return policies_of(snapshot, snapshot.environments[team.name])


@pytest.mark.parametrize(
    "example", EXAMPLES, ids=lambda path: "/".join(path.with_suffix("").parts[-3:])
)
def test_verdict_without_a_cluster_is_that_of_the_api_server(team, policies, example):
    thing = load(team, example)
    part = part_of(thing)
    if part != "platform":
        thing["metadata"]["namespace"] = f"{team.name}-{part}"
    user = f"system:serviceaccount:{team.name}-platform:{part}"
    mine, said = (
        [f"'{denial.policy}'" + denial.message for denial in policies.denials(thing, user)],
        refused(team, example),
    )
    if not said:
        assert mine == []
    else:
        found = re.search(
            r"ValidatingAdmissionPolicy ('[^']+') with binding '[^']+' denied request: (.*)", said
        )
        assert "".join(found.groups()) in mine


@pytest.mark.parametrize(
    "example", EXAMPLES, ids=lambda path: "/".join(path.with_suffix("").parts[-3:])
)
def test_example_gets_its_verdict(team, example):
    said = refused(team, example)
    if example.parent.name == "accepted":
        assert said == ""
        return
    policy, message = (
        example.parents[1].name,
        example.read_text().splitlines()[0].removeprefix("# message: "),
    )
    assert f"ValidatingAdmissionPolicy '{team.name}-{policy}'" in said
    assert said.endswith(f"denied request: {message}")


def test_what_the_renderer_makes_is_accepted(team):
    said = team.submit("rendered", "seed=3")
    assert "committed" in said
    git(team.clone, "pull", "--quiet", "origin", "main")
    (overlay,) = (team.clone / f"environments/{team.name}/training").glob("data-*")
    assert [post(team, thing) for thing in build_objects(overlay)] == [""]


def test_other_namespaces_are_left_alone(team):
    job = yaml.safe_load(
        next(
            e for e in EXAMPLES if e.parent.name == "rejected" and "Job" in e.read_text()
        ).read_text()
    )
    team.provider.kubectl(
        "create", "--dry-run=server", "-n", "default", "-f", "-", stdin=json.dumps(job)
    )
