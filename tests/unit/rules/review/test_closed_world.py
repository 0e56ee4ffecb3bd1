import pytest
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.layout import is_renderers, own_place
from ml_pipeline.rules.render.drift import drift, rendered
from ml_pipeline.rules.review.closed_world import own_faults, place_faults, rights, strays

ENVIRONMENT = "environments/staging"


def test_renderer_writes_only_where_it_may(files):
    facts = f"{ENVIRONMENT}/environment.yaml"
    for more in (b"", b"kueue: true\n", b"training_shards: 8\n"):
        snapshot = load_snapshot({**files, facts: files[facts] + more})
        assert [path for path in rendered(snapshot) if not is_renderers(path)] == []


def test_rendered_tree_has_no_stray_file(files):
    assert strays(files) == []
    assert list(place_faults(files)) == []


@pytest.mark.parametrize(
    "path",
    [
        "training",
        "training/notes.yaml",
        "training/README.md",
        "training/a/b/c.yml",
        "training/waiting-ddd4bf48a3/more.yaml",
        "serving/digits/more/job.yaml",
        "serving/digits/Kustomization",
        "flux/cluster/role.yaml",
        "platform/more.yaml",
        "platform/monitoring/kustomization.yaml",
        "platform/team",
    ],
)
def test_file_where_flux_builds_that_nobody_may_keep_is_astray(files, path):
    files = {**files, f"{ENVIRONMENT}/{path}": b"x\n"}
    assert strays(files) == [f"{ENVIRONMENT}/{path}"]
    assert drift(load_snapshot(files)).delete == frozenset()


@pytest.mark.parametrize("path", ["platform/team/a/b.yaml", "platform/secrets/x", "README.md"])
def test_what_people_keep_in_their_own_places_is_theirs(files, path):
    assert strays({**files, f"{ENVIRONMENT}/{path}": b"x\n"}) == []


def test_own_place_is_the_folder_below_platform():
    assert own_place(f"{ENVIRONMENT}/platform/team/a/b.yaml") == f"{ENVIRONMENT}/platform/team"
    assert own_place(f"{ENVIRONMENT}/training/team/a.yaml") is None


def thing(kind: str, *, api: str = "v1", namespace: str = "staging-training", **more) -> dict:
    metadata = {"name": "x", "namespace": namespace, **more.pop("metadata", {})}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **more}


def said(snapshot, *objects) -> list[str]:
    environment = snapshot.environments["staging"]
    return [
        fault.text for fault in own_faults(environment, f"{ENVIRONMENT}/platform/team", objects)
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
