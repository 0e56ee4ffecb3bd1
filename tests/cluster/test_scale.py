"""Many experiments merged at once, on a fake node (kwok): Jobs created and finished, and how it grows."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.rules.render.drift import drift

from tests.cluster.providers import BUNDLE, ClusterBin, install_crds
from tests.cluster.receipts import prepared_data
from tests.cluster.team import EXPERIMENT, Services, Team, new_team, wait
from tests.conftest import REPOSITORY, folder, git

SHARDS = os.environ.get("SHARDS", "1")
KUSTOMIZATIONS = "kustomizations.kustomize.toolkit.fluxcd.io"
SIZES = [int(n) for n in os.environ.get("SIZES", "20").split(",")]


@pytest.fixture(scope="module")
def kwok():
    if not (BUNDLE / "cluster").exists():
        pytest.skip("fake nodes come with cluster-bin; set CLUSTER_BIN")
    found = ClusterBin("--kwok")
    install_crds(found)
    yield found
    found.down()


@pytest.fixture(scope="module")
def teams(kwok, tmp_path_factory):
    services = Services(kwok, tmp_path_factory.mktemp("services"))
    started = services.start()
    yield lambda: new_team(services, tmp_path_factory.mktemp("team"))
    for process in started:
        os.killpg(process.pid, signal.SIGKILL)  # MLflow's workers too
        process.wait()


def memory_mib(provider: ClusterBin, component: str) -> int:
    """Most memory that a component has held."""
    status = Path(f"/proc/{provider.pid(component)}/status").read_text()
    return (
        int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1])
        // 1024
    )


def merge(team: Team, count: int) -> None:
    """One commit with that many experiments and their overlays."""
    for number in range(count):
        path = team.clone / f"experiments/e{number:04d}/experiment.yaml"
        path.parent.mkdir(parents=True)
        text = (
            EXPERIMENT.format(name=path.parent.name, environment=team.name)
            .replace("cpu: 1,", "cpu: 1m,")
            .replace("memory: 1Gi", "memory: 1Mi")
        )
        path.write_text(f"{text}image: {team.image.partition('@')[2]}\nseed: {number}\n")
    prepared_data(team, "e0000")
    files = (
        folder(team.clone, "experiments")
        | folder(team.clone, "base")
        | folder(team.clone, "environments")
    )
    files = {path.removeprefix("./"): raw for path, raw in files.items()}
    for path, raw in drift(load_snapshot(files)).write.items():
        (team.clone / path).parent.mkdir(parents=True, exist_ok=True)
        (team.clone / path).write_bytes(raw)
    git(team.clone, "add", "--all")
    git(team.clone, "commit", "--quiet", "--message", f"Train {count}")


@pytest.mark.parametrize("count", SIZES)
def test_experiments_merged_at_once(kwok, teams, count, capsys):
    team = teams()
    shard(team)
    team.wait("the platform and every shard", lambda: is_connected(team))
    merge(team, count)
    build = builds(team)
    start = time.monotonic()
    team.push()
    wait("the Jobs", lambda: number_of(team, "jobs") >= count, 900)
    created = time.monotonic() - start
    wait(
        "their end",
        lambda: number_of(team, "jobs", "--field-selector=status.successful=1") >= count,
        900,
    )
    finished = time.monotonic() - start
    head = git(team.clone, "rev-parse", "HEAD")
    wait(
        "Flux to be done",
        lambda: all(applied.endswith(head) for applied in training(team, "lastAppliedRevision")),
        900,
    )
    again = time.monotonic()
    parts = [
        name
        for name in team.kubectl("get", KUSTOMIZATIONS, "-o", "name", part="platform").split()
        if "/training" in name
    ]
    team.kubectl(
        "annotate", "--overwrite", *parts, "reconcile.fluxcd.io/requestedAt=again", part="platform"
    )
    wait("another look", lambda: set(training(team, "lastHandledReconcileAt")) == {"again"}, 900)
    names = [job["metadata"]["name"] for job in team.objects("jobs")]
    with capsys.disabled():
        print(
            f"\n{count} experiments merged, {SHARDS} shards: Jobs created {created:.1f} s, finished {finished:.1f} s after the push; "
            f"builds {build:.2f} s; a look that changes nothing {time.monotonic() - again:.1f} s; "
            f"kustomize-controller {memory_mib(kwok, 'kustomize-controller')} MiB, source-controller {memory_mib(kwok, 'source-controller')} MiB"
        )
    assert len(names) == len(set(names)) == count
    team.end()


def number_of(team: Team, kind: str, *more: str) -> int:
    return len(team.kubectl("get", kind, "-o", "name", *more).splitlines())


def training(team: Team, field: str) -> list[str]:
    """A field of the status of each Kustomization that trains."""
    found = team.objects(KUSTOMIZATIONS, "platform")
    return [
        thing.get("status", {}).get(field, "")
        for thing in found
        if thing["metadata"]["name"].startswith("training")
    ]


def is_connected(team: Team) -> bool:
    """Whether every Kustomization has applied what is on the branch: one that has says nothing of the others."""
    head = team.head_revision()
    shards = training(team, "lastAppliedRevision")
    return (
        len(shards) == int(SHARDS)
        and all(applied.endswith(head) for applied in shards)
        and team.ready("platform", head)
    )


def shard(team: Team) -> None:
    """Share the training overlays among as many Kustomizations as SHARDS says."""
    path = team.clone / f"environments/{team.name}/environment.yaml"
    path.write_text(f"{path.read_text()}training_shards: {SHARDS}\n")
    team.pipeline("render")
    team.commit("Shard")
    team.on_cluster("bootstrap", "--apply")


def builds(team: Team) -> float:
    """Seconds of the Kustomize builds of all shards, one after the other, as kustomize-controller makes them."""
    root = team.clone / f"environments/{team.name}/training"
    overlays = sorted(path.parent.name for path in root.glob("*/kustomization.yaml"))
    share, seconds = 16 // int(SHARDS), 0.0
    for shard in range(int(SHARDS)):
        mine = [name for name in overlays if int(name[-21], 16) // share == shard]
        generated = root / "kustomization.yaml"
        generated.write_text(yaml.safe_dump({"resources": [*mine, "serviceaccount.yaml"]}))
        start = time.monotonic()
        subprocess.run(
            [str(REPOSITORY / ".venv/bin/kubectl"), "kustomize", str(root)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        seconds += time.monotonic() - start
        generated.unlink()
    return seconds
