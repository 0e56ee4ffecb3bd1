"""Which run may serve a model, and in whose place."""

from collections.abc import Iterator

from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.faults import Fault
from ml_pipeline.documents.promotion import Promotion
from ml_pipeline.documents.receipts import Run
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import file_of, owner_of, reference_of, rollouts_folder, run_path, stem_of
from ml_pipeline.rules.review.names import known_environments
from ml_pipeline.rules.rollout.gates import failures


def promotion_faults(snapshot: Snapshot, path: str, promotion: Promotion) -> Iterator[Fault]:
    """Every fault of a promotion beside its environment and the receipts that it names."""
    if promotion.model != stem_of(path):
        file = file_of(path)
        text = f"{promotion.model!r} differs from the file's name {file!r}; make them the same"
        yield snapshot.fault(path, "model", text)
    name = owner_of(path)
    environment = snapshot.environments.get(name)
    if environment is None:
        known = known_environments(snapshot.environments)
        text = f"promotes in the environment {name!r}, which does not exist; {known}"
        yield Fault(path, 1, "", text)
        return
    for key, reference in (("run", promotion.run), ("baseline", promotion.baseline)):
        if reference:
            for text in _reference_faults(snapshot, reference, promotion.model, environment):
                yield snapshot.fault(path, key, text)
    if promotion.baseline == promotion.run:
        text = f"{promotion.run!r} is also the run; name what served before or remove it"
        yield snapshot.fault(path, "baseline", text)
    for text in _signature_faults(snapshot, promotion):
        yield snapshot.fault(path, "run", text)
    component = f"{rollouts_folder(name, promotion.model)}kustomization.yaml"
    if component not in snapshot.files:
        text = (
            f"{promotion.model!r} has no {component}; make the promotion with `ml-pipeline promote`"
        )
        yield snapshot.fault(path, "model", text)


def _reference_faults(
    snapshot: Snapshot, reference: str, model: str, environment: Environment
) -> Iterator[str]:
    """Why a run that is named cannot serve."""
    run = snapshot.runs_by_reference.get(reference)
    if run is None:
        receipt = reference_of(reference)
        yield (
            f"{reference!r} has no receipt {run_path(receipt.experiment, receipt.id)}; "
            "wait for the run or correct the id"
        )
        return
    if run.model != model:
        yield (
            f"{reference!r} trained the model {run.model!r}, not {model!r}; "
            "name a run of this model"
        )
    if run.environment not in (environment.name, *environment.promotes_from):
        yield (
            f"{reference!r} was trained in {run.environment!r}, "
            f"from which {environment.name} takes none; see promotes_from"
        )
    yield from _outcome_faults(reference, run)


def _outcome_faults(reference: str, run: Run) -> Iterator[str]:
    """Why what a run has come to cannot serve."""
    if run.outcome == "failed":
        yield f"{reference!r} failed ({run.reason}); promote a run that succeeded"
        return
    if run.artifact is None:
        yield f"{reference!r} has no model in its receipt; promote another run"
    for failure in failures(run.gates):
        yield (
            f"{reference!r} fails its gate, {failure}; "
            "train a better one or change the gate with the experiment"
        )


def _signature_faults(snapshot: Snapshot, promotion: Promotion) -> Iterator[str]:
    """Callers of the baseline go on sending what it takes; where a receipt does not say, nothing is
    refused."""
    run = snapshot.runs_by_reference.get(promotion.run)
    baseline = snapshot.runs_by_reference.get(promotion.baseline or "")
    if promotion.accept_signature_change or run is None or baseline is None:
        return
    new, old = run.signature, baseline.signature
    if new is None or old is None or new == old:
        return
    changes = []
    if new.inputs != old.inputs:
        changes.append(f"takes {new.inputs}, its baseline {old.inputs}")
    if new.outputs != old.outputs:
        changes.append(f"gives {new.outputs}, its baseline {old.outputs}")
    yield (
        f"{promotion.run!r} {'; '.join(changes)}; "
        "promote it with --accept-signature-change if its callers know"
    )
