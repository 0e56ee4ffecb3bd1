"""Whatever is built in this process equals what Kustomize builds, object for object; layout is no part of an object."""

import os
from pathlib import Path

import pytest
import yaml
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from ml_pipeline.adapters.files import write_changes
from ml_pipeline.adapters.kustomize import build_objects
from ml_pipeline.adapters.processes import ProgramError
from ml_pipeline.documents.changes import Changes
from ml_pipeline.rules.kustomize.build import Builder
from ml_pipeline.rules.kustomize.objects import NotCoveredError

from tests.conftest import REPOSITORY, folder
from tests.support.many import experiments, rendered, roomy_tree, valid_tree, with_experiments

BATCHES, AT_ONCE = int(os.environ.get("BATCHES", "5")), 20
ROOTED = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
TREES = {
    "shipped": lambda: folder(REPOSITORY, "environments") | folder(REPOSITORY, "base"),
    "fixtures": lambda: rendered(valid_tree()),
}


def in_order(objects) -> list:
    return sorted(
        objects,
        key=lambda thing: (
            thing["kind"],
            thing["metadata"].get("namespace", ""),
            thing["metadata"]["name"],
        ),
    )


def folders(files, below: str = "environments/") -> list[str]:
    found = [
        path.rpartition("/")[0]
        for path in files
        if path.startswith(below) and path.endswith("/kustomization.yaml")
    ]
    return sorted(
        path for path in found if b"kind: Kustomization" in files[f"{path}/kustomization.yaml"]
    )


def by_kustomize(path: Path, files, entries: list[str]) -> list:
    """The objects of several folders from one call of the real Kustomize."""
    root = ROOTED + yaml.safe_dump({"resources": entries})
    write_changes(path, Changes({**files, "kustomization.yaml": root.encode()}))
    return in_order(build_objects(path))


@pytest.mark.parametrize("tree", TREES)
def test_every_folder_in_git_is_what_kustomize_builds(tmp_path, tree):
    files = TREES[tree]()
    builder, covered = Builder(files), []
    for path in folders(files):
        if "/flux" not in path:
            covered += [path]
    assert covered
    write_changes(tmp_path, Changes(files))
    for path in covered:
        assert in_order(builder.build(path)) == in_order(build_objects(tmp_path / path)), path


def test_flux_folders_are_left_to_kustomize():
    """Their RoleBindings refer to namespaces, which Kustomize rewrites."""
    with pytest.raises(NotCoveredError, match="a RoleBinding refers to namespaces"):
        Builder(TREES["shipped"]()).build("environments/staging/flux/platform")


@settings(max_examples=BATCHES, deadline=None, phases=[Phase.generate])
@given(st.lists(experiments(), min_size=AT_ONCE, max_size=AT_ONCE), st.booleans())
def test_random_experiments_are_what_kustomize_builds(tmp_path_factory, documents, claim):
    facts = {} if claim else {"artifacts": {"uri": "s3://bucket"}}
    files = with_experiments(roomy_tree(**facts), documents)
    entries = [
        path
        for path in folders(files, "environments/local/training/")
        if "/e" in path or "/data-" in path
    ]
    builder = Builder(files)
    mine = [thing for path in entries for thing in builder.build(path)]
    assert in_order(mine) == by_kustomize(tmp_path_factory.mktemp("tree"), files, entries)


JOB = """\
apiVersion: batch/v1
kind: Job
metadata: {name: train, labels: {a: b}}
spec:
  template:
    spec:
      containers:
      - {name: one, image: x, env: [{name: A, value: "1"}, {name: B, value: "2"}], volumeMounts: [{name: v, mountPath: /v}], args: [a, b]}
      - {name: two, image: other}
      volumes: [{name: v, emptyDir: {}}]
      tolerations: [{key: k, operator: Exists}]
"""
env = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from("ABCD"), "value": st.sampled_from(["1", "on", "null", "x y"])}
    ),
    max_size=3,
    unique_by=lambda item: item["name"],
)
containers = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["one", "two", "three"])},
        optional={
            "image": st.sampled_from(["x", "z"]),
            "env": env,
            "args": st.lists(st.sampled_from("ab"), max_size=2),
            "volumeMounts": st.lists(
                st.fixed_dictionaries(
                    {"name": st.just("v"), "mountPath": st.sampled_from(["/v", "/w"])}
                ),
                max_size=2,
                unique_by=lambda item: item["mountPath"],
            ),
            "resources": st.fixed_dictionaries(
                {
                    "limits": st.dictionaries(
                        st.sampled_from(["cpu", "memory"]), st.sampled_from(["1", "2"])
                    )
                }
            ),
        },
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda item: item["name"],
)
pods = st.fixed_dictionaries(
    {"containers": containers},
    optional={
        "volumes": st.just([{"name": "w", "emptyDir": {}}]),
        "tolerations": st.just([{"key": "l", "operator": "Exists"}]),
        "nodeSelector": st.dictionaries(
            st.sampled_from("ab"), st.sampled_from(["true", "1"]), max_size=2
        ),
    },
)


def patched_tree(patch: bytes, **more) -> dict[str, bytes]:
    body = {"resources": ["../../base/x"], "patches": [{"path": "patch.yaml", **more}]}
    return {
        "base/x/kustomization.yaml": f"{ROOTED}resources: [job.yaml]\n".encode(),
        "base/x/job.yaml": JOB.encode(),
        "environments/o/kustomization.yaml": ROOTED.encode() + yaml.safe_dump(body).encode(),
        "environments/o/patch.yaml": patch,
    }


@settings(max_examples=BATCHES * 6, deadline=None, phases=[Phase.generate])
@given(pods)
def test_random_partial_objects_are_merged_as_kustomize_does(tmp_path_factory, pod):
    patch = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "train"},
        "spec": {"template": {"spec": pod}},
    }
    files = patched_tree(yaml.safe_dump(patch).encode())
    path = tmp_path_factory.mktemp("tree")
    write_changes(path, Changes(files))
    assert in_order(Builder(files).build("environments/o")) == in_order(
        build_objects(path / "environments/o")
    )


CONTAINER = "/spec/template/spec/containers"
PLACES = {
    "/metadata/labels/a": "v",
    "/metadata/labels/new~1one": "on",
    f"{CONTAINER}/0/env/0/value": "12",
    f"{CONTAINER}/0/env/-": {"name": "N", "value": "v"},
    f"{CONTAINER}/1": {"name": "three", "image": "z"},
    f"{CONTAINER}/7": {"name": "four", "image": "z"},
    "/spec/gone/x": "v",
    "/spec/template/spec/volumes/0": {"name": "w", "emptyDir": {}},
}
operations = st.lists(
    st.builds(
        lambda op, place: {"op": op, "path": place[0], "value": place[1]},
        st.sampled_from(["add", "replace", "remove"]),
        st.sampled_from(list(PLACES.items())),
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=BATCHES * 6, deadline=None, phases=[Phase.generate])
@given(operations)
def test_random_json_patches_do_what_kustomize_does_or_are_left_to_it(tmp_path_factory, found):
    files = patched_tree(yaml.safe_dump(found).encode(), target={"kind": "J.*"})
    path = tmp_path_factory.mktemp("tree")
    write_changes(path, Changes(files))
    try:
        mine = Builder(files).build("environments/o")
    except NotCoveredError:
        return
    assert mine == build_objects(path / "environments/o")


def overlay(**body) -> dict[str, bytes]:
    files = patched_tree(JOB.encode())
    return files | {
        "environments/o/kustomization.yaml": ROOTED.encode()
        + yaml.safe_dump({"resources": ["../../base/x"], **body}).encode()
    }


NOT_COVERED = {
    "generator": overlay(configMapGenerator=[{"name": "x", "literals": ["a=b"]}]),
    "missing": overlay(resources=["../../base/gone"]),
    "itself": overlay(resources=["."]),
    "list": {**overlay(), "base/x/job.yaml": b"- 1\n"},
    "alias": {**overlay(), "base/x/job.yaml": JOB.replace("[a, b]", "&a [a, b]\n  x: *a").encode()},
    "twice": {**overlay(), "base/x/job.yaml": JOB.encode() + b"---\n" + JOB.encode()},
    "key twice": {**overlay(), "base/x/job.yaml": JOB.encode() + b"spec: {}\n"},
    "not yaml": {**overlay(), "base/x/job.yaml": b"a: [\n"},
    "no target": overlay(
        patches=[{"patch": "apiVersion: batch/v1\nkind: Job\nmetadata: {name: other}\n"}]
    ),
    "directive": overlay(
        patches=[{"patch": JOB.replace("volumes:", "$patch: delete\n      volumes:")}]
    ),
    "selector": overlay(
        patches=[{"patch": "[]", "target": {"kind": "Job", "labelSelector": "a in (b, c)"}}]
    ),
    "secret renamed": {
        **overlay(namePrefix="x-"),
        "base/x/job.yaml": b"apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n",
    },
    "another version": {
        **overlay(),
        "environments/o/kustomization.yaml": b"kind: Kustomization\nresources: [../../base/x]\n",
    },
    "replacement": overlay(
        replacements=[{"source": {"kind": "Job", "fieldPath": "spec.x"}, "targets": []}]
    ),
}


@pytest.mark.parametrize("files", NOT_COVERED.values(), ids=NOT_COVERED)
def test_what_is_not_covered_is_left_to_kustomize(files):
    with pytest.raises(NotCoveredError):
        Builder(files).build("environments/o")


def test_kustomize_refuses_what_only_it_can_judge(tmp_path):
    write_changes(tmp_path, Changes(NOT_COVERED["missing"]))
    with pytest.raises(ProgramError):
        build_objects(tmp_path / "environments/o")
