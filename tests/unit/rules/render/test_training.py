import re

import pytest
import yaml
from ml_pipeline.documents.changes import applied
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.rules.automation.plan import plan
from ml_pipeline.rules.identity.awaited import awaited_identity, run_identity_of, settled_by
from ml_pipeline.rules.render.training import is_data, job_name, training_overlays

from tests.conftest import FIXTURES, REPOSITORY, folder
from tests.support.simulate import moved, observed, settle

PATH = "experiments/waiting/experiment.yaml"


def overlays(files) -> dict[str, bytes]:
    return training_overlays(load_snapshot(files))


def job(files) -> dict:
    return next(
        yaml.safe_load(raw) for path, raw in overlays(files).items() if path.endswith("job.yaml")
    )


def makes(files) -> set[str]:
    """What the overlays make: an experiment or data, and the id."""
    return {path.split("/")[3].rpartition("-")[0] for path in overlays(files)}


def name_suffix(files) -> str:
    return next(
        yaml.safe_load(raw)["nameSuffix"]
        for path, raw in overlays(files).items()
        if path.endswith("kustomization.yaml")
    )


def test_only_what_is_not_settled_has_an_overlay(files):
    assert makes(files) == {"waiting-ddd4bf48a3"}


def test_settled_tree_has_no_overlay(files):
    assert overlays(settle(files)) == {}


def test_failed_run_is_settled_until_its_receipt_is_removed(files):
    assert (
        awaited_identity(load_snapshot(files), load_snapshot(files).experiments["broken"]) is None
    )
    del files["experiments/broken/runs/970e519fc8.yaml"]
    assert (
        awaited_identity(load_snapshot(files), load_snapshot(files).experiments["broken"])
        is not None
    )


def test_experiments_on_the_same_data_share_its_preparation(files):
    without = {
        path: raw
        for path, raw in files.items()
        if "/data/" not in path and "/runs/" not in path and "promotions" not in path
    }
    assert makes(without) == {"data-216b187a78"}


def test_equal_experiments_train_once(files):
    files["experiments/copy/experiment.yaml"] = files[PATH].replace(b"name: waiting", b"name: copy")
    assert len(makes(files)) == 1


def test_rendering_twice_gives_the_same_bytes(files):
    assert overlays(files) == overlays(dict(reversed(files.items())))


@pytest.mark.parametrize(
    ("old", "new"), [(b"memory: 2Gi", b"memory: 3Gi"), (b"owner: vision", b"owner: speech")]
)
def test_another_template_is_another_job_of_the_same_run(files, old, new):
    other = {**files, PATH: files[PATH].replace(old, new)}
    assert makes(files) == makes(other)
    assert name_suffix(files) != name_suffix(other)


def test_another_template_is_another_overlay(files):
    """An overlay never changes, so that a revert never meets one that somebody has changed since."""
    other = {**files, PATH: files[PATH].replace(b"memory: 2Gi", b"memory: 3Gi")}
    assert not overlays(files).keys() & overlays(other).keys()


def test_comments_in_base_do_not_rename_jobs(files):
    other = {
        **files,
        "base/training-job/job.yaml": b"# a comment\n" + files["base/training-job/job.yaml"],
    }
    assert name_suffix(files) == name_suffix(other)


def test_another_base_renames_jobs(files):
    other = {
        **files,
        "base/training-job/job.yaml": files["base/training-job/job.yaml"].replace(
            b"backoffLimit: 3", b"backoffLimit: 4"
        ),
    }
    assert name_suffix(files) != name_suffix(other)


def test_requests_and_limits_are_set(files):
    container = job(files)["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"] == {
        "requests": {"cpu": "1", "memory": "2Gi"},
        "limits": {"cpu": "1", "memory": "2Gi"},
    }


def test_image_is_pinned_by_digest(files):
    assert (
        job(files)["spec"]["template"]["spec"]["containers"][0]["image"]
        == "trainer@sha256:" + "a" * 64
    )


def test_every_parameter_is_an_argument_of_its_own(files):
    arguments = job(files)["spec"]["template"]["spec"]["containers"][0]["args"]
    assert {"train", "--epochs=30", "--learning-rate=0.006", "--seed=7", "--compile=False"} <= set(
        arguments
    )


def test_four_gpus_start_four_processes():
    shipped = {
        k: v
        for part in ("experiments", "environments", "base")
        for k, v in folder(REPOSITORY, part).items()
        if "digits-" not in k
    }
    step = plan(load_snapshot(shipped), observed(shipped, "staging"))[0]
    container = job(applied(shipped, step.changes))["spec"]["template"]["spec"]["containers"][0]
    assert container["command"][:3] == ["python", "-m", "trainer.launch"]
    assert "--nproc-per-node=4" in container["command"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "4"


def test_data_of_one_environment_is_not_that_of_another(files):
    """`staging` cannot read what `local` has prepared."""
    here = {**files, PATH: files[PATH].replace(b"environment: local", b"environment: staging")}
    (folder,) = {path.rpartition("/")[0] for path in overlays(here) if "/staging/" in path}
    assert folder.startswith("environments/staging/training/data-")


def test_run_that_another_environment_keeps_is_trained_once_more(files):
    """The model of `local` cannot be served in `staging`: a receipt settles where its bytes can be reached."""
    done = settle(files)
    here = moved(done)
    snapshot = load_snapshot(here)
    run = run_identity_of(snapshot, snapshot.experiments["waiting"])
    assert awaited_identity(snapshot, snapshot.experiments["waiting"]) == run
    assert not run.startswith("ddd4bf48a3")
    again = settle(here, "staging")
    receipts = {path for path in again if path.startswith("experiments/waiting/runs/")}
    assert receipts == {
        "experiments/waiting/runs/ddd4bf48a3.yaml",
        f"experiments/waiting/runs/{run[:10]}.yaml",
    }
    assert (
        again["experiments/waiting/runs/ddd4bf48a3.yaml"]
        == done["experiments/waiting/runs/ddd4bf48a3.yaml"]
    )
    assert overlays(again) == {}


def test_experiment_that_moves_back_is_settled_by_its_old_receipt(files):
    there_and_back = settle(moved(settle(files)), "staging") | {PATH: files[PATH]}
    snapshot = load_snapshot(there_and_back)
    assert settled_by(snapshot, snapshot.experiments["waiting"]).environment == "local"


def test_run_of_an_environment_that_is_promoted_from_settles(files):
    """`production` promotes from `staging` and reads its store."""
    trained = settle(moved(files), "staging")
    here = moved({**trained, PATH: files[PATH]}, "production")
    snapshot = load_snapshot(here)
    assert settled_by(snapshot, snapshot.experiments["waiting"]).environment == "staging"


def test_equal_experiments_of_two_environments_train_in_each(files):
    copy = "experiments/copy/experiment.yaml"
    both = moved(files) | {copy: files[PATH].replace(b"name: waiting", b"name: copy")}
    assert makes(both) == {"waiting-ddd4bf48a3", "copy-ddd4bf48a3"}
    settled = settle(settle(both), "staging")
    assert overlays(settled) == {}
    assert {path for path in settled if "ddd4bf48a3.yaml" in path} == {
        "experiments/copy/runs/ddd4bf48a3.yaml",
        "experiments/waiting/runs/ddd4bf48a3.yaml",
    }


@pytest.mark.parametrize("name", ["data", "data-x", "data-0123456789", "train"])
def test_experiments_may_be_called_like_data(files, name):
    del files["experiments/waiting/experiment.yaml"]
    without = files
    raw = (
        (FIXTURES / "valid" / PATH).read_bytes().replace(b"name: waiting", f"name: {name}".encode())
    )
    path = f"experiments/{name}/experiment.yaml"
    (kustomization,) = (
        raw for p, raw in overlays({**without, path: raw}).items() if "kustomization" in p
    )
    assert not is_data(kustomization)
    assert job_name(kustomization).startswith(f"{name}-train-")


def test_version_of_preparation_is_told_to_the_trainer_where_it_is_not_the_first(files):
    data = {p: raw for p, raw in files.items() if not re.search("/(data|runs|promotions)/", p)}
    first = overlays(data)
    second = overlays({**data, PATH: files[PATH].replace(b"digits}", b"digits, preparation: 2}")})
    arguments = [b"--preparation=2" in raw for raw in second.values()]
    assert sum(arguments) == 1
    assert not any(b"--preparation" in raw for raw in first.values())
