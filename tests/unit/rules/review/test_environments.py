"""What the facts of an environment have to agree on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.review.environments import environment_faults

from tests.conftest import FIXTURES, folder

VALID = folder(FIXTURES / "valid")
FACTS = "environments/{}/environment.yaml"


def faults(name: str, *edits: tuple[str, str]) -> list[str]:
    path = FACTS.format(name)
    text = VALID[path].decode()
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    return told(Snapshot({**VALID, path: text.encode()}), path)


def told(snapshot: Snapshot, path: str) -> list[str]:
    found = environment_faults(snapshot, path, snapshot.document(path))
    return [f"{fault.key}: {fault.text.partition(';')[0]}" for fault in found]


@pytest.mark.parametrize("name", ["local", "staging", "production"])
def test_environments_that_agree_have_no_fault(name):
    assert faults(name) == []


A, B = "a" * 64, "b" * 64
IMAGE = f'image: {{repository: x, digest: "sha256:{A}"}}'
RECONCILE = ("budget:", "reconcile: {image: {repository: x}, secret: git}\nbudget:")
PINNED = ("budget:", f"reconcile: {{{IMAGE}, secret: git}}\nbudget:")


@pytest.mark.parametrize(
    ("name", "edit", "fault"),
    [
        ("local", ("name: local", "name: here"), "name: 'here' differs from its folder 'local'"),
        ("local", (f', digest: "sha256:{B}"', ""), "images.serving.digest: is missing"),
        (
            "local",
            ("file:///artifacts", "file:///other"),
            "artifacts.uri: 'file:///other' is not where the claim is mounted",
        ),
        (
            "local",
            ("svc:5000}", "svc:5000, secret: login}"),
            "tracking.secret: has no effect, the embedded MLflow has no login",
        ),
        ("local", PINNED, "reconcile: goes with a cluster"),
        ("staging", RECONCILE, "reconcile.image.digest: is missing"),
        ("staging", ("name: a100", "name: cpu"), "pools: 'cpu' stands twice"),
        (
            "staging",
            ("source: {url: https://git.example.com/team/ml-pipeline.git}\n", ""),
            "source: is missing",
        ),
        ("production", ("[staging]", "[nowhere]"), "promotes_from: 'nowhere' does not exist"),
        (
            "production",
            ("[staging]", "[production]"),
            "promotes_from: 'production' leads back to 'production'",
        ),
    ],
)
def test_fault_is_told_at_its_key(name, edit, fault):
    assert faults(name, edit) == [fault]


def test_trainer_is_pinned_where_a_cluster_pulls_it_and_need_not_be_here():
    digest = VALID[FACTS.format("staging")].decode().split('digest: "')[1].split('"')[0]
    (fault,) = faults("staging", (f', digest: "{digest}"', ""))
    assert fault == "images.trainer.digest: is missing"
    assert "trainer: {repository: trainer}" in VALID[FACTS.format("local")].decode()


def test_login_of_mlflow_is_one_of_a_cluster():
    assert faults("staging", ("svc:5000}", "svc:5000, secret: login}")) == []


def test_circle_of_promotions_is_told_in_each_environment_of_it():
    staging = VALID[FACTS.format("staging")] + b"promotes_from: [production]\n"
    snapshot = Snapshot({**VALID, FACTS.format("staging"): staging})
    for name, other in (("staging", "production"), ("production", "staging")):
        assert told(snapshot, FACTS.format(name)) == [
            f"promotes_from: {other!r} leads back to {name!r}"
        ]


NAMES = ("a", "b", "c", "d")


@given(st.fixed_dictionaries({name: st.sets(st.sampled_from(NAMES)) for name in NAMES}))
def test_no_fault_means_that_models_come_from_somewhere(origins):
    """Without a circle the environments have an order in which each takes from earlier ones."""
    base = VALID[FACTS.format("staging")].decode()
    files = {}
    for name, sources in origins.items():
        own = base.replace("staging-", f"{name}-")  # namespaces, which no two may share
        text = own.replace("name: staging", f"name: {name}", 1)
        listed = ", ".join(sorted(sources))
        files[FACTS.format(name)] = f"{text}promotes_from: [{listed}]\n".encode()
    snapshot = Snapshot(files)
    is_told = any(told(snapshot, path) for path in files)
    placed: set[str] = set()
    for _ in NAMES:
        placed |= {name for name, sources in origins.items() if sources <= placed}
    assert is_told == (placed != set(NAMES))
