"""`reconcile` as it ships: Flux applies its Deployment, and its pod commits with the rights and the Secret that it has there."""

import json
from dataclasses import dataclass

import pytest

from tests.cluster.team import Team, new_team
from tests.conftest import git


@dataclass
class Committing(Team):
    """A team whose environment names what commits."""

    def facts(self, serving: str) -> str:
        repository, _, digest = self.provider.scripts_image().partition("@")
        pinned = f'{{repository: {repository}, digest: "{digest}"}}'
        return super().facts(serving) + f"reconcile: {{image: {pinned}, secret: pushes}}\n"

    def pods(self) -> list[str]:
        """Names of its pods that are ready."""
        return [
            pod["metadata"]["name"]
            for pod in self.objects("pods", "platform")
            if pod["metadata"]["labels"].get("app") == "reconcile"
            for condition in pod.get("status", {}).get("conditions", ())
            if (condition["type"], condition["status"]) == ("Ready", "True")
        ]

    def recorded(self, name: str) -> list[str]:
        """Authors of the commits that record a run of an experiment."""
        self.pull()
        return git(self.clone, "log", "--format=%an", f"--grep=^Record run {name}/").splitlines()


@pytest.fixture(scope="module")
def committing(services, image, tmp_path_factory):
    team = new_team(services, tmp_path_factory.mktemp("team"), image, Committing)
    yield team
    team.end()


@pytest.fixture(scope="module")
def ready(committing):
    """The team once its pod has what it needs."""
    team = committing
    secret = ("create", "secret", "generic", "pushes", "--from-literal=password=token")
    team.kubectl(*secret, part="platform")
    # The kubelet looks for a Secret that was not there about once a minute.
    team.wait("a pod that is ready", team.pods, 240)
    return team


def test_missing_secret_is_told_by_status_and_stops_nothing_else(committing):
    team = committing
    team.wait("the platform", lambda: team.ready("platform", team.head_revision()))
    told = "the Secret of reconcile.secret is not there"
    team.wait("status to say so", lambda: told in team.on_cluster("status", code=None))
    assert team.ready("training")


def test_receipt_is_committed_by_the_pod(ready):
    ready.submit("first")
    ready.wait("the receipt", lambda: ready.run_of("first"), 300)
    assert ready.recorded("first") == ["ml-pipeline"]
    assert "reconcile" not in ready.on_cluster("status", code=None)


def test_pod_that_is_killed_again_and_again_loses_nothing(ready):
    trained, killed = len(ready.trained()), []
    ready.submit("second", "seed=2")

    def settled():
        for name in ready.pods()[:1] if len(killed) < 4 else ():
            ready.kubectl("delete", "pod", name, "--grace-period=0", "--force", part="platform")
            killed.append(name)
        return ready.run_of("second")

    ready.wait("the receipt", settled, 300)
    assert killed
    assert ready.recorded("second") == ["ml-pipeline"]
    assert len(ready.trained()) == trained + 1


def test_two_at_once_do_no_harm(ready):
    """A second Deployment, as during a node's loss: the first one's pod may still be alive there."""
    whole = json.loads(
        ready.kubectl("get", "deployment", "reconcile", "-o", "json", part="platform")
    )
    spec = whole["spec"]
    spec["selector"]["matchLabels"]["copy"] = spec["template"]["metadata"]["labels"]["copy"] = "1"
    metadata = {"name": "copy", "namespace": whole["metadata"]["namespace"]}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
    ready.provider.kubectl("create", "-f", "-", stdin=json.dumps(body))
    ready.wait("both to be ready", lambda: len(ready.pods()) == 2)
    trained = len(ready.trained())
    ready.submit("third", "seed=3")
    ready.wait("the receipt", lambda: ready.run_of("third"), 300)
    assert ready.recorded("third") == ["ml-pipeline"]
    assert len(ready.trained()) == trained + 1
    ready.kubectl("delete", "deployment", "copy", part="platform")


def test_flux_may_apply_this_deployment_and_no_other(ready):
    def refusal(name: str) -> str:
        container = {"name": "c", "image": "x"}
        template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container]}}
        spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
        metadata = {"name": name, "namespace": f"{ready.name}-platform"}
        body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
        account = f"system:serviceaccount:{ready.name}-platform:platform"
        options = ("apply", "--server-side", "--dry-run=server", "--force-conflicts")
        try:
            ready.provider.kubectl(*options, "-f", "-", f"--as={account}", stdin=json.dumps(body))
        except AssertionError as error:
            return str(error)
        return ""

    assert 'cannot patch resource "deployments"' in refusal("other")
    # It may, and then the API server, or the policy on what it applies, looks at the object.
    looked_at = refusal("reconcile")
    assert "field is immutable" in looked_at or "is not the one of reconcile" in looked_at


def test_network_of_the_pod_is_applied(ready):
    policies = {p["metadata"]["name"]: p["spec"] for p in ready.objects("netpol", "platform")}
    assert policies["reconcile"]["podSelector"] == {"matchLabels": {"app": "reconcile"}}
    port = int(ready.url.rpartition(":")[2].partition("/")[0])
    assert [p["port"] for p in policies["reconcile"]["egress"][0]["ports"]] == [port]
