"""git pairs a file that goes with one that comes where they are alike, and a revert of either then conflicts: no two overlays
are ever alike to it, however alike their experiments are."""

import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ml_pipeline.adapters.files import write_changes
from ml_pipeline.documents.changes import Changes
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.layout import job_folders
from ml_pipeline.rules.render.training import training_overlays

from tests.support.many import experiments, roomy_tree, with_experiments

LONG = {
    "artifacts": {"uri": f"s3://{'bucket/' * 60}artifacts"},
    "images": {
        "trainer": {"repository": f"registry.example.com/{'folder/' * 25}trainer"},
        "serving": {"repository": "serving", "digest": f"sha256:{'b' * 64}"},
    },
}


def overlays(documents, **facts) -> dict[str, bytes]:
    return training_overlays(load_snapshot(with_experiments(roomy_tree(**facts), documents)))


def alike(folder, gone, come, least: str) -> list[str]:
    """Pairs that git takes for one file that was renamed, if they are alike by this share."""
    write_changes(folder / "gone", Changes({p: raw for p, raw in gone.items() if p not in come}))
    write_changes(folder / "come", Changes({p: raw for p, raw in come.items() if p not in gone}))
    names = ["gone", "come"]
    done = subprocess.run(
        ["git", "diff", "--no-index", "--raw", f"--find-renames={least}", "-l0", *names],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,  # 1 is a difference
    )
    assert done.returncode == 1, done.stderr
    return [line for line in done.stdout.splitlines() if " R" in line]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(experiments(), min_size=4, max_size=4))
def test_overlays_of_random_experiments_are_not_alike(tmp_path_factory, documents):
    folder = tmp_path_factory.mktemp("pairs")
    assert alike(folder, overlays(documents[:2]), overlays(documents[2:]), "20%") == []


def test_overlays_that_differ_in_a_digit_are_not_alike(tmp_path, files):
    """Of the same experiment, with another seed, with another memory, and of data with another holdout."""
    path = "experiments/waiting/experiment.yaml"
    changes = [("seed: 7", "seed: 8"), ("2Gi", "3Gi"), ("digits}", "wine}"), ("digits}", "iris}")]
    trees = [{**files, path: files[path].replace(a.encode(), b.encode())} for a, b in changes]
    come = [training_overlays(load_snapshot(tree)) for tree in trees]
    gone = training_overlays(load_snapshot(files))
    for number, one in enumerate(come):
        (tmp_path / str(number)).mkdir()
        assert alike(tmp_path / str(number), gone, one, "20%") == []
    (tmp_path / "data").mkdir()
    assert alike(tmp_path / "data", come[2], come[3], "20%") == []


@pytest.mark.parametrize("length", [100, 1_000])
def test_long_addresses_do_not_make_overlays_alike(tmp_path, files, length):
    """git compares pieces of 64 bytes, and of a long line most have no mark."""
    experiment = {
        "apiVersion": "ml-pipeline/v1",
        "kind": "Experiment",
        "owner": "o",
        "environment": "local",
        "model": {"name": "m", "type": "mlp"},
        "image": f"sha256:{'a' * 64}",
        "parameters": {"epochs": 1},
        "budget": {"max_cost": 10_000},
    }
    gone, come = (
        {"uri": f"s3://{'x' * length}.npz", "sha256": "d" * 64, "holdout": holdout}
        for holdout in (0.2, 0.3)
    )
    facts = {} if length == 100 else LONG
    sides = [overlays([{**experiment, "dataset": data}], **facts) for data in (gone, come)]
    assert len(job_folders(sides[0] | sides[1])) > len(job_folders(sides[0]))
    assert alike(tmp_path, *sides, "20%") == []
