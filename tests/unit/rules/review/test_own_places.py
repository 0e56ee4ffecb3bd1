import pytest
from ml_pipeline.rules.review.own_places import own_place_consequences, own_place_faults, rights

ENVIRONMENT = "environments/staging"


def thing(kind: str, *, api: str = "v1", namespace: str = "staging-training", **more) -> dict:
    metadata = {"name": "x", "namespace": namespace, **more.pop("metadata", {})}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **more}


def said(snapshot, *objects) -> list[str]:
    environment = snapshot.environments["staging"]
    return [
        fault.text
        for fault in own_place_faults(environment, f"{ENVIRONMENT}/platform/team", objects)
    ]


@pytest.mark.parametrize(
    "found",
    [
        thing("Secret"),
        thing("Secret", type="kubernetes.io/tls", namespace="staging-serving"),
        thing("ResourceQuota"),
        thing("NetworkPolicy", api="networking.k8s.io/v1"),
    ],
    ids=lambda found: found["kind"],
)
def test_what_the_environments_account_may_apply_may_stand(snapshot, found):
    assert said(snapshot, found) == []


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (thing("Job", api="batch/v1"), "Job x: may not stand here, only "),
        (thing("Secret", api="v2"), "Secret x: may not stand here, only "),
        (thing("Secret", namespace="kube-system"), "Secret x: is in the namespace 'kube-system'"),
        (thing("Secret", namespace="staging-platform"), "Secret x: is in the namespace"),
        (
            thing("Secret", type="bootstrap.kubernetes.io/token"),
            "Secret x: has the type 'bootstrap.kubernetes.io/token', a credential of the cluster",
        ),
        (
            thing("Secret", metadata={"labels": {"kustomize.toolkit.fluxcd.io/prune": "disabled"}}),
            "Secret x: has 'kustomize.toolkit.fluxcd.io/prune', which changes what Flux does",
        ),
    ],
)
def test_what_may_not_stand_is_found(snapshot, found, text):
    (fault,) = said(snapshot, found)
    assert fault.startswith(text)


def test_rights_are_said_in_words():
    role = {"rules": [{"verbs": ["get", "list"], "resources": ["secrets"]}]}
    assert rights(thing("Role", **role)) == "allows get, list secrets"
    binding = {"roleRef": {"name": "admin"}, "subjects": [{"kind": "User", "name": "a"}]}
    assert rights(thing("RoleBinding", **binding)) == "gives admin to User a"
    assert rights(thing("NetworkPolicy", spec={"egress": [{}]})) == "allows egress traffic"
    assert rights(thing("ClusterRole", rules="x")) == "allows nothing"
    assert rights(thing("Secret")) == ""


def test_what_becomes_of_objects_is_said_with_what_they_grant():
    place = f"{ENVIRONMENT}/platform/team"
    quota, secret = thing("ResourceQuota"), thing("Secret")
    changed = thing("ResourceQuota", spec={"hard": {"pods": "1"}})
    policy = thing("NetworkPolicy", api="networking.k8s.io/v1", spec={"egress": [{}]})
    told = own_place_consequences(place, [quota, secret], [changed, policy])
    assert sorted((c.kind, c.text) for c in told) == [
        ("grants", "adds NetworkPolicy x in staging-training, which allows egress traffic"),
        ("keeps", "changes ResourceQuota x in staging-training"),
        ("keeps", "removes Secret x in staging-training"),
    ]
