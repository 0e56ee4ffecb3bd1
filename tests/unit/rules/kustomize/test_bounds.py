import pytest
from ml_pipeline.adapters import kustomize
from ml_pipeline.adapters.kustomize import Overlays
from ml_pipeline.documents.faults import InvalidDocumentsError
from ml_pipeline.documents.writer import to_yaml
from ml_pipeline.rules.kustomize.bounds import MOST_ENTRIES, bounds_faults
from ml_pipeline.rules.kustomize.build import Builder
from ml_pipeline.rules.kustomize.objects import NotCoveredError
from ml_pipeline.rules.render.overlays import kustomization_file

from tests.unit.documents.test_nodes import BOMB

TEAM = "environments/staging/platform/team"
SERVICE = b"apiVersion: v1\nkind: Service\nmetadata: {name: x}\n"
OBJECT = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"


def tree(**files: bytes) -> dict[str, bytes]:
    names = [name.replace("_", ".") for name in files]
    body = to_yaml(kustomization_file(resources=names))
    return {f"{TEAM}/kustomization.yaml": body} | {
        f"{TEAM}/{name}": raw for name, raw in zip(names, files.values(), strict=True)
    }


def doubling(levels: int) -> dict[str, bytes]:
    """Two folders a level, each naming both of the level below: some hundred bytes each, 2**levels objects."""
    files = {"base/p0/o.yaml": SERVICE, "base/q0/o.yaml": SERVICE}
    for level in range(levels):
        below = [f"../p{level - 1}", f"../q{level - 1}"] if level else ["o.yaml"]
        for side in "pq":
            body = kustomization_file(resources=below, namePrefix=side)
            files[f"base/{side}{level}/kustomization.yaml"] = to_yaml(body)
    return files


def faults(files: dict[str, bytes], unit: str = TEAM) -> list[str]:
    return list(map(str, bounds_faults(files, unit)))


def test_an_alias_is_not_handed_to_kustomize(monkeypatch):
    monkeypatch.setattr(kustomize, "build", None)
    files = tree(a_yaml=OBJECT + BOMB)
    with Overlays(files) as overlays, pytest.raises(InvalidDocumentsError) as refused:
        overlays.objects(TEAM)
    said = "uses an alias (*); write the value out in each place"
    assert str(refused.value) == f"{TEAM}/a.yaml:5: b[0]: {said}"


def test_a_manifest_that_is_built_alone_is_held_to_the_same():
    path = "environments/staging/platform/secrets/a.yaml"
    assert "uses an alias" in faults({path: OBJECT + BOMB}, path)[0]


def test_a_patch_in_a_kustomization_is_held_to_the_same():
    body = kustomization_file(resources=["a.yaml"], patches=[{"patch": BOMB.decode()}])
    files = tree(a_yaml=OBJECT) | {f"{TEAM}/kustomization.yaml": to_yaml(body)}
    (fault,) = faults(files)
    assert "patches[0].patch: uses an alias" in fault


def test_a_deep_patch_file_is_held_to_the_same():
    body = kustomization_file(resources=["a.yaml"], patches=[{"path": "p.yaml"}])
    files = tree(a_yaml=OBJECT) | {f"{TEAM}/kustomization.yaml": to_yaml(body)}
    (fault,) = faults(files | {f"{TEAM}/p.yaml": b"[" * 10_000})
    assert fault.startswith(f"{TEAM}/p.yaml:1: ")


def test_folders_that_double_are_refused_by_everyone(monkeypatch):
    monkeypatch.setattr(kustomize, "build", None)
    files, unit = doubling(20), "base/p19"
    with pytest.raises(NotCoveredError, match="steps"):
        Builder(files).build(unit)
    with Overlays(files) as overlays, pytest.raises(InvalidDocumentsError) as refused:
        overlays.objects(unit)
    said = f"leads to more than {MOST_ENTRIES} files, some again and again; name each once"
    assert str(refused.value) == f"{unit}/kustomization.yaml:1: {said}"


def test_folders_in_a_circle_are_left_to_kustomize():
    body = to_yaml(kustomization_file(resources=["../b"]))
    files = {f"base/{name}/kustomization.yaml": body for name in "ab"}
    assert faults(files, "base/a") == []


def test_a_few_levels_are_no_fault():
    assert faults(doubling(8), "base/p7") == []


def test_a_target_that_takes_exponential_time_is_left_to_kustomize():
    patch = {"path": "p.yaml", "target": {"kind": "ConfigMap", "name": "(a|a)*b"}}
    body = kustomization_file(resources=["a.yaml"], patches=[patch])
    files = tree(a_yaml=OBJECT.replace(b"name: x", b"name: " + b"a" * 60))
    files |= {f"{TEAM}/kustomization.yaml": to_yaml(body), f"{TEAM}/p.yaml": OBJECT}
    with pytest.raises(NotCoveredError, match="more than a name"):
        Builder(files).build(TEAM)


def test_a_manifest_of_ten_megabytes_is_refused_by_its_size():
    (fault,) = faults(tree(a_yaml=OBJECT + b"#" * 10_000_000))
    assert fault.startswith(f"{TEAM}/a.yaml:1: has 10")
