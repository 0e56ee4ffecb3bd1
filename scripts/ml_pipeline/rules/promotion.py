"""From a run that shall serve to the files of its promotion: the document and what is rendered from it, one commit."""

from ml_pipeline.documents.fields import API_VERSION
from ml_pipeline.documents.promotion import Promotion, Rollout
from ml_pipeline.documents.receipts import Run
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.documents.writer import to_document
from ml_pipeline.rules.checks import checked
from ml_pipeline.rules.render import Changes, applied, drift
from ml_pipeline.rules.serving import stable_run, state


def promotion_changes(
    snapshot: Snapshot,
    run: Run,
    environment: str,
    rollout: Rollout,
    *,
    accept_signature_change: bool = False,
) -> tuple[Changes, str]:
    """What a promotion of this run changes, and the message of its commit; nothing where it is promoted already.

    Raises:
        InvalidDocumentsError: the run may not serve there.
    """
    path = f"environments/{environment}/promotions/{run.model}.yaml"
    serving = state(snapshot, environment, run.model)
    reference = f"{run.experiment}/{run.id}"
    baseline = stable_run(serving) if serving else None
    if serving and serving.promotion.run == reference:
        return Changes({}), ""
    promotion = Promotion(
        apiVersion=API_VERSION,
        kind="Promotion",
        model=run.model,
        run=reference,
        baseline=None if baseline == reference else baseline,
        accept_signature_change=accept_signature_change,
        rollout=rollout,
    )
    changes = Changes({path: to_document(path, promotion)})
    after = checked(applied(dict(snapshot.files), changes))
    share = f"{rollout.steps[0]} % of the traffic first" if baseline else "all of the traffic"
    replaces = f", the rest stays with {baseline}" if baseline else ""
    return changes | drift(
        after
    ), f"Promote {run.model} to {reference} in {environment}\n\nIt gets {share}{replaces}.\n"
