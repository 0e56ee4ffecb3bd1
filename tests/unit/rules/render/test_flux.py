import hashlib
from fnmatch import fnmatch

import pytest
import yaml
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.rules.render.flux import flux_overlays, hook_path, surplus

PATH = "environments/staging/environment.yaml"


def sharded(files, count: int) -> dict[str, bytes]:
    files[PATH] += f"training_shards: {count}\n".encode()
    return flux_overlays(load_snapshot(files))


def patterns(raw: bytes) -> list[str]:
    """The gitignore patterns by which a source sees training overlays."""
    source = next(
        p for p in yaml.safe_load(raw)["patches"] if p["target"]["kind"] == "GitRepository"
    )
    ignore = next(
        o["value"] for o in yaml.safe_load(source["patch"]) if o["path"] == "/spec/ignore"
    )
    return [
        line[1:].rstrip("/")
        for line in ignore.splitlines()
        if line.startswith("!") and "-[" in line
    ]


@pytest.mark.parametrize("count", [2, 4, 8, 16])
def test_each_overlay_belongs_to_one_shard(files, count):
    rendered = sharded(files, count)
    sources = ["platform", *(f"shard-{n}" for n in range(1, count))]
    seen = [
        patterns(rendered[f"environments/staging/flux/{source}/kustomization.yaml"])
        for source in sources
    ]
    for digit in "0123456789abcdef":
        overlay = f"/environments/staging/training/digits-mlp-{digit}123456789-f123456789"
        assert sum(fnmatch(overlay, pattern) for mine in seen for pattern in mine) == 1


def test_one_shard_is_the_plain_folder(files):
    rendered = flux_overlays(load_snapshot(files))
    assert not any("shard" in path for path in rendered)
    assert patterns(rendered["environments/staging/flux/platform/kustomization.yaml"]) == []


def test_webhook_reaches_every_source(files):
    raw = sharded(files, 4)["environments/staging/flux/platform/kustomization.yaml"]
    receiver = next(p for p in yaml.safe_load(raw)["patches"] if p["target"]["kind"] == "Receiver")
    assert [o["value"]["name"] for o in yaml.safe_load(receiver["patch"])] == [
        "ml-pipeline-1",
        "ml-pipeline-2",
        "ml-pipeline-3",
    ]


def test_embedded_environment_has_no_flux(files):
    assert not any(
        path.startswith("environments/local/") for path in flux_overlays(load_snapshot(files))
    )


def test_hook_path_is_the_one_of_notification_controller():
    digest = hashlib.sha256(b"tokengeneric-hmacstaging-platform").hexdigest()
    assert hook_path("token", "staging-platform") == f"/hook/{digest}"


@pytest.mark.parametrize(
    ("count", "gone"), [(16, []), (4, ["training-4"]), (1, ["training-1", "training-4"])]
)
def test_shards_that_an_environment_has_no_longer_are_named(files, count, gone):
    files[PATH] += f"training_shards: {count}\n".encode()
    environment = load_snapshot(files).environments["staging"]
    names = ["platform", "training", "training-1", "training-4", "training-eu", "serving"]
    assert surplus(environment, names) == gone


def test_surplus_knows_what_is_rendered(files):
    """What a lower number leaves over is just what a higher one renders more."""
    shards = [f"ml-pipeline-{n}" for n in range(1, 8)]
    rendered = sharded({**files}, 8)
    raw = rendered["environments/staging/flux/platform/kustomization.yaml"].decode()
    assert all(name in raw for name in shards)
    files[PATH] += b"training_shards: 2\n"
    assert surplus(load_snapshot(files).environments["staging"], shards) == shards[1:]
