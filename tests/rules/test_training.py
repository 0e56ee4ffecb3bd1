import pytest
import yaml
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.rules.reconcile import plan
from ml_pipeline.rules.render import applied
from ml_pipeline.rules.training import pending, training_overlays

from tests.conftest import REPOSITORY, folder
from tests.simulate import observed, settle

PATH = "experiments/waiting/experiment.yaml"


def overlays(files) -> dict[str, bytes]:
    return training_overlays(load_snapshot(files))


def job(files) -> dict:
    return next(
        yaml.safe_load(raw) for path, raw in overlays(files).items() if path.endswith("job.yaml")
    )


def name_suffix(files) -> str:
    return next(
        yaml.safe_load(raw)["nameSuffix"]
        for path, raw in overlays(files).items()
        if path.endswith("kustomization.yaml")
    )


def test_only_what_is_not_settled_has_an_overlay(files):
    assert {path.split("/")[3] for path in overlays(files)} == {"waiting-ddd4bf48a3"}


def test_settled_tree_has_no_overlay(files):
    assert overlays(settle(files)) == {}


def test_failed_run_is_settled_until_its_receipt_is_removed(files):
    assert pending(load_snapshot(files), load_snapshot(files).experiments["broken"]) is None
    del files["experiments/broken/runs/970e519fc8.yaml"]
    assert pending(load_snapshot(files), load_snapshot(files).experiments["broken"]) is not None


def test_experiments_on_the_same_data_share_its_preparation(files):
    without = {
        path: raw
        for path, raw in files.items()
        if "/data/" not in path and "/runs/" not in path and "promotions" not in path
    }
    assert {path.split("/")[3] for path in overlays(without)} == {"data-f68dcca25a"}


def test_equal_experiments_train_once(files):
    files["experiments/copy/experiment.yaml"] = files[PATH].replace(b"name: waiting", b"name: copy")
    assert len({path.split("/")[3] for path in overlays(files)}) == 1


def test_rendering_twice_gives_the_same_bytes(files):
    assert overlays(files) == overlays(dict(reversed(files.items())))


@pytest.mark.parametrize(
    ("old", "new"), [(b"memory: 2Gi", b"memory: 3Gi"), (b"owner: vision", b"owner: speech")]
)
def test_another_template_is_another_job_of_the_same_run(files, old, new):
    other = {**files, PATH: files[PATH].replace(old, new)}
    assert overlays(files).keys() == overlays(other).keys()
    assert name_suffix(files) != name_suffix(other)


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
