"""Formats grow: a parameter that comes later, whose default means what was done before, changes nothing that is there."""

import re

import pytest
import yaml
from ml_pipeline.documents import reader, snapshot
from ml_pipeline.documents.experiment import Dataset, Experiment, Parameters
from ml_pipeline.documents.fields import added
from ml_pipeline.documents.receipts import Identity, Run
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.documents.writer import to_document
from ml_pipeline.rules.automation import branch, settle
from ml_pipeline.rules.automation import plan as reconcile
from ml_pipeline.rules.automation.plan import plan
from ml_pipeline.rules.identity import hashes as identity
from ml_pipeline.rules.identity.awaited import run_identity_of
from ml_pipeline.rules.identity.hashes import data_identity
from ml_pipeline.rules.money import estimates as estimate
from ml_pipeline.rules.render.training import training_overlays
from pydantic import create_model

from tests.support.simulate import observed

PATH = "experiments/waiting/experiment.yaml"


class GrownParameters(Parameters):
    """Parameters of a later version."""

    label_smoothing: float = added(0.0, "Share of each label given to the others; default 0.", ge=0)


class GrownDataset(Dataset):
    """A dataset of a later version."""

    shuffled: bool = added(default=True, description="Whether rows are shuffled; default true.")


def grown(kind, **parts):
    return create_model(kind.__name__, __base__=kind, **parts)


@pytest.fixture
def later(monkeypatch):
    """Turns the code into a later version, whose experiments have another parameter and another key of the dataset."""

    def turn() -> None:
        experiment = grown(
            Experiment, parameters=(GrownParameters, ...), dataset=(GrownDataset, ...)
        )
        decided_by = grown(Identity, parameters=(GrownParameters, ...))
        run = grown(Run, decided_by=(decided_by, ...))
        kinds = {Experiment: experiment, Run: run}
        table = tuple((pattern, kinds.get(kind, kind)) for pattern, kind in reader.KINDS)
        monkeypatch.setattr(reader, "KINDS", table)
        monkeypatch.setattr(identity, "Identity", decided_by)
        kept = {part: kinds.get(kind, kind) for part, kind in snapshot._VIEWS.items()}
        monkeypatch.setattr(snapshot, "_VIEWS", kept)
        for module in (snapshot, settle, estimate, branch, reconcile):
            for name, kind in (("Experiment", experiment), ("Run", run)):
                monkeypatch.setattr(module, name, kind, raising=False)

    return turn


def everything(files) -> dict:
    """Identities, overlays with the names of Jobs, and what automation commits of it: all that must not move."""
    loaded = load_snapshot(files)
    steps = plan(loaded, observed(files))
    return {
        "runs": {name: run_identity_of(loaded, e) for name, e in loaded.experiments.items()},
        "data": {name: data_identity(e) for name, e in loaded.experiments.items()},
        "overlays": training_overlays(loaded),
        "receipts": [step.changes.write for step in steps],
    }


@pytest.mark.parametrize("stage", ["data", "run"])
def test_new_key_with_its_default_changes_no_identity_receipt_overlay_or_job(files, later, stage):
    if stage == "data":
        files = {p: raw for p, raw in files.items() if "/data/" not in p and "/runs/" not in p}
        files = {p: raw for p, raw in files.items() if "promotions" not in p}
    before = everything(files)
    later()
    assert everything(files) == before


def test_old_receipts_are_still_the_hash_of_what_they_hold(files, later):
    later()
    loaded = load_snapshot(files)
    for path in (path for path in files if "/runs/" in path):
        receipt = loaded.document(path)
        assert identity.run_identity(receipt.decided_by) == receipt.identity
        assert b"label_smoothing" not in to_document(path, receipt)


def test_new_key_with_another_value_is_another_run_and_an_argument(files, later):
    later()
    old = load_snapshot(files)
    raw = files[PATH].replace(b"hidden: 64}", b"hidden: 64, label_smoothing: 0.1}")
    new = load_snapshot({**files, PATH: raw})
    waiting = [loaded.experiments["waiting"] for loaded in (old, new)]
    assert run_identity_of(old, waiting[0]) != run_identity_of(new, waiting[1])
    job = next(raw for path, raw in training_overlays(new).items() if path.endswith("job.yaml"))
    assert b"--label-smoothing=0.1" in job
    receipt = plan(new, observed({**files, PATH: raw}))[0].changes.write
    (text,) = receipt.values()
    assert yaml.safe_load(text)["decided_by"]["parameters"]["label_smoothing"] == 0.1


def test_new_key_of_the_dataset_with_another_value_is_other_data(files, later):
    later()
    raw = files[PATH].replace(b"digits}", b"digits, shuffled: false}")
    new = load_snapshot({**files, PATH: raw}).experiments["waiting"]
    assert data_identity(new) != data_identity(load_snapshot(files).experiments["waiting"])


def test_older_code_names_the_key_that_it_does_not_know(files):
    files[PATH] = files[PATH].replace(b"hidden: 64}", b"hidden: 64, label_smoothing: 0.1}")
    (fault,) = reader.read(PATH, files[PATH])
    assert re.search(
        r"experiment.yaml:11: parameters.label_smoothing: is not a known key", str(fault)
    )


def test_receipt_of_newer_code_says_what_to_do(files):
    path = next(path for path in files if "/runs/" in path)
    (fault,) = reader.read(path, files[path] + b"carbon_g: 12\n")
    assert str(fault).endswith(
        "carbon_g: is not a key that this code knows; a machine wrote it with newer code, update this clone"
    )
