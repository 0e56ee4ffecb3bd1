"""`ml-pipeline why`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ml_pipeline.commands import console
from ml_pipeline.commands.command import Command, Options
from ml_pipeline.commands.options import past_arguments

if TYPE_CHECKING:
    from ml_pipeline.operations.provenance import Chain

_SHORT = 10  # characters of a commit


def run(options: Options) -> int:
    from ml_pipeline.operations.provenance import why

    chains = why(options.repo, options.model, environment=options.env)
    tables = (console.table(list(_links(chain))) for chain in chains)
    console.answer(list(map(_data, chains)), "\n\n".join(tables), options.output)
    return console.OK


def _links(chain: "Chain") -> Iterator[tuple[str, str]]:
    """A chain as people read it."""
    promotion, tracking = chain.promotion, chain.run.tracking
    decided_by, data = chain.run.decided_by, "its receipt is gone"
    if chain.data and chain.data.source:
        data = f"{chain.data.rows} rows of {chain.data.source}"
    yield "endpoint", chain.endpoint or "not running"
    yield "predictor", f"{chain.predictor} with {chain.weight} % of the traffic"
    yield (
        "promotion",
        f"{promotion.sha[:_SHORT]} by {promotion.author}, {promotion.when}: {promotion.subject}",
    )
    yield "model", f"sha256 {chain.artifact.sha256}, {chain.artifact.uri}"
    yield "run", f"{chain.reference}, MLflow run {tracking.run_id if tracking else 'unknown'}"
    yield "receipt", f"{chain.receipt}, recorded in {chain.recorded[:_SHORT]}"
    yield "experiment", f"{chain.experiment} at {chain.run.commit[:_SHORT]}"
    yield "data", f"sha256 {decided_by.data}, {data}"
    yield "image", decided_by.image


def _data(chain: "Chain") -> dict[str, Any]:
    """A chain for programs."""
    promotion, run, data = chain.promotion, chain.run, chain.data
    return {
        "endpoint": chain.endpoint,
        "predictor": {"name": chain.predictor, "weight": chain.weight},
        "promotion": {
            "commit": promotion.sha,
            "author": promotion.author,
            "when": promotion.when,
            "subject": promotion.subject,
        },
        "model": chain.artifact.model_dump(),
        "run": {
            "name": chain.reference,
            "tracking": run.tracking.model_dump() if run.tracking else None,
        },
        "receipt": {"path": chain.receipt, "commit": chain.recorded},
        "experiment": {"path": chain.experiment, "commit": run.commit},
        "data": {
            "sha256": run.decided_by.data,
            "rows": data.rows if data else None,
            "source": data.source if data else None,
        },
        "image": run.decided_by.image,
    }


COMMAND = Command(
    "why",
    "show where a served model came from",
    past_arguments,
    run,
    example="why digits",
    prints="endpoint, promotion, model, run, receipt, experiment, data and image of each predictor",
)
