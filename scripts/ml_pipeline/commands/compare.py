"""`ml-pipeline compare`."""

from typing import TYPE_CHECKING, Any

from ml_pipeline.commands import console
from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.commands.options import output, sort

if TYPE_CHECKING:
    from ml_pipeline.documents.receipts import Run

_DECIDED_BY = "decided by"
_LONGEST = 40  # characters of a digest or of what else decided a run


def add_arguments(arguments: Arguments) -> None:
    arguments.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help=(
            "experiment/id, an experiment for its newest run, "
            "or a pattern such as 'sweep-*' or 'sweep-*/*'"
        ),
    )
    sort(arguments, "")
    output(arguments)


def run(options: Options) -> int:
    from ml_pipeline.operations.provenance import compare

    patterns = tuple(options.runs)
    runs = compare(options.repo, patterns, sort=options.sort, reverse=options.reverse)
    console.answer(list(map(_data, runs)), _table(runs), options.output)
    return console.OK


def _table(runs: "list[Run]") -> str:
    """A column a run; what decided all of them alike is left out."""
    columns = [_lines_of(run) for run in runs]
    keys: dict[str, None] = {}
    for column in columns:
        keys |= dict.fromkeys(column)
    rows = [("", *(run.reference for run in runs))]
    for key in keys:
        values = [column.get(key, "-") for column in columns]
        if len(set(values)) > 1 or not key.startswith(_DECIDED_BY):
            rows.append((key, *values))
    return console.table(rows)


def _lines_of(run: "Run") -> dict[str, str]:
    """A run for people, by the name of each line."""
    decided = run.decided_by.model_dump()
    parameters = decided.pop("parameters")
    lines = {}
    for key, value in decided.items():
        lines[f"{_DECIDED_BY} {key}"] = str(value)[:_LONGEST]
    for key, value in parameters.items():
        lines[f"{_DECIDED_BY} {key}"] = str(value)
    lines["outcome"] = run.outcome
    for name, number in run.metrics.items():
        lines[name] = f"{number:g}"
    for gate in run.gates:
        lines[f"gate {gate.name}"] = "passed" if gate.passed else "failed"
    lines["duration_s"] = f"{run.duration_s:g}"
    lines["cost"] = f"{run.cost.amount:g} {run.cost.currency}" if run.cost else "-"
    return lines


def _data(run: "Run") -> dict[str, Any]:
    """A run for programs: numbers as numbers, digests whole."""
    return {
        "run": run.reference,
        "model": run.model,
        "environment": run.environment,
        "decided_by": run.decided_by.model_dump(mode="json"),
        "outcome": run.outcome,
        "reason": run.reason,
        "metrics": dict(run.metrics),
        "gates": {gate.name: gate.passed for gate in run.gates},
        "started": run.started,
        "duration_s": run.duration_s,
        "cost": run.cost.model_dump() if run.cost else None,
    }


COMMAND = Command(
    "compare",
    "show runs side by side",
    add_arguments,
    run,
    example="compare 'digits-*' --sort holdout_accuracy",
    prints="what differs in what decided the runs, and what came of them",
)
