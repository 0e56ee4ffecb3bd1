import pytest
from ml_pipeline.rules.review.own_places import (
    own_place_consequences,
    own_place_faults,
    rights,
    unlisted,
)

PLACE = "environments/staging/platform/team"


def thing(kind: str, *, api: str = "v1", namespace: str = "staging-training", **more) -> dict:
    metadata = {"name": "x", "namespace": namespace, **more.pop("metadata", {})}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **more}


def said(snapshot, *objects) -> list[str]:
    environment = snapshot.environments["staging"]
    return [fault.text for fault in own_place_faults(environment, PLACE, {}, objects)]


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


SEALED = "ENC[AES256_GCM,data:x,iv:x,tag:x,type:str]"


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (thing("Secret", stringData={"password": "x"}), "stringData.password is not encrypted"),
        (
            thing("Secret", data={"password": "eA=="}),
            "data.password is not encrypted, so whoever reads",
        ),
        (thing("Secret", data={"password": SEALED}), "data.password is not encrypted"),
        (thing("Secret", data={"a": SEALED, "b": "x"}, sops={}), "data.b is not encrypted"),
    ],
)
def test_secret_that_everybody_can_read_is_found(snapshot, found, text):
    assert any(fault.startswith(f"Secret x: {text}") for fault in said(snapshot, found))


def test_encrypted_secret_may_stand_where_flux_can_decrypt_it(snapshot):
    secret = thing("Secret", data={"password": SEALED}, sops={"mac": "x"})
    staging = snapshot.environments["staging"]
    for decryption, faults in (("sops-age", 0), (None, 1)):
        source = staging.source.model_copy(update={"decryption": decryption})
        environment = staging.model_copy(update={"source": source})
        assert len(list(own_place_faults(environment, PLACE, {}, [secret]))) == faults


def test_fault_stands_where_the_object_is_written(snapshot):
    files = {
        f"{PLACE}/kustomization.yaml": b"kind: Kustomization\n",
        f"{PLACE}/a.yaml": b"kind: ResourceQuota\nmetadata:\n  name: other\n",
        f"{PLACE}/b.yaml": b"---\nkind: ResourceQuota\nmetadata:\n  name: x\nspec:\n  hrd: {}\n",
        f"{PLACE}/patch.yaml": b"kind: ResourceQuota\nmetadata:\n  name: x\n",
        f"{PLACE}/none.yaml": b"{",
    }
    environment = snapshot.environments["staging"]
    quota = thing("ResourceQuota", spec={"hrd": {}})
    (fault,) = own_place_faults(environment, PLACE, files, [quota])
    assert (fault.path, fault.line) == (f"{PLACE}/b.yaml", 6)
    generated = {**quota, "spec": {}, "metadata": {"name": "y", "namespace": "default"}}
    (fault,) = own_place_faults(environment, PLACE, files, [generated])
    assert (fault.path, fault.line) == (f"{PLACE}/kustomization.yaml", 1)


def test_rights_are_said_in_words():
    role = {"rules": [{"verbs": ["get", "list"], "resources": ["secrets"]}]}
    assert rights(thing("Role", **role)) == "allows get, list secrets"
    binding = {"roleRef": {"name": "admin"}, "subjects": [{"kind": "User", "name": "a"}]}
    assert rights(thing("RoleBinding", **binding)) == "gives admin to User a"
    assert rights(thing("NetworkPolicy", spec={"egress": [{}]})) == "allows egress traffic"
    assert rights(thing("ClusterRole", rules="x")) == "allows nothing"
    assert rights(thing("Secret")) == ""


def test_what_becomes_of_objects_is_said_with_what_they_grant():
    quota, secret = thing("ResourceQuota"), thing("Secret")
    changed = thing("ResourceQuota", spec={"hard": {"pods": "1"}})
    policy = thing("NetworkPolicy", api="networking.k8s.io/v1", spec={"egress": [{}]})
    told = own_place_consequences(PLACE, [quota, secret], [changed, policy])
    assert sorted((c.kind, c.text) for c in told) == [
        ("grants", "adds NetworkPolicy x in staging-training, which allows egress traffic"),
        ("keeps", "changes ResourceQuota x in staging-training"),
        ("keeps", "removes Secret x in staging-training"),
    ]


def test_file_that_no_kustomization_lists_is_told():
    files = {
        f"{PLACE}/kustomization.yaml": b"resources: [deep, a.yaml]\n",
        f"{PLACE}/a.yaml": b"",
        f"{PLACE}/README.md": b"",
        f"{PLACE}/alone.yaml": b"",
        f"{PLACE}/deep/kustomization.yaml": b"patches: [{path: b.yaml}]\n",
        f"{PLACE}/deep/b.yaml": b"",
    }
    (told,) = unlisted(files, [*files, f"{PLACE}/gone.yaml"])
    assert told.path == f"{PLACE}/alone.yaml"
    assert told.text == (
        f"applies nothing of {PLACE}/alone.yaml, which is not listed in {PLACE}/kustomization.yaml"
    )
    del files[f"{PLACE}/kustomization.yaml"]
    assert len(list(unlisted(files, files))) == 3
