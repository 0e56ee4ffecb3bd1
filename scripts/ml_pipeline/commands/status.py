"""`ml-pipeline status`."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ml_pipeline.commands import console
from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.commands.options import cluster, cluster_of, env, output

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from ml_pipeline.environments.records import ClusterShown, EmbeddedShown, JobStatus, ModelStatus
    from ml_pipeline.operations.status import Status

_SHORT = 10  # characters of a revision
_HEAD = ("JOB", "PHASE", "TRY", "SECONDS", "NOTE")


def add_arguments(arguments: Arguments) -> None:
    env(arguments)
    cluster(arguments)
    arguments.add_argument(
        "-l",
        "--selector",
        default="",
        metavar="LABELS",
        help="only what has these labels, such as pipeline=ml-training",
    )
    arguments.add_argument(
        "-w", "--watch", action="store_true", help="show it again whenever it changes, until Ctrl-C"
    )
    output(arguments)


def run(options: Options) -> int:
    from ml_pipeline.commands.watch import watch
    from ml_pipeline.operations.status import status

    reached = cluster_of(options)  # once: a watch asks the same API server again and again

    def look(output: str) -> int:
        return _show(
            status(options.repo, options.env, cluster=reached, selector=options.selector), output
        )

    return watch(look, output=options.output) if options.watch else look(options.output)


def _show(status: "Status", output: str) -> int:
    from ml_pipeline.environments.records import ClusterShown, EmbeddedShown

    held = list(map(str, status.held))
    if isinstance(status.shown, EmbeddedShown):
        data = _embedded_data(status, status.shown)
        lines = [*held, *_embedded_lines(status, status.shown)]
        is_found = bool(status.shown.revision.error) or not status.shown.up
    elif isinstance(status.shown, ClusterShown):
        data = _cluster_data(status, status.shown)
        lines = [*held, *_cluster_lines(status, status.shown)]
        phases = {job.phase for job in status.shown.jobs}
        is_found = bool(status.shown.findings) or "Failed" in phases
    else:
        data, lines, is_found = {"held": _rows(status.held)}, held, True
    aborted = "aborted" in {rollout.outcome for rollout in status.rollouts}
    console.answer(data, "\n".join([*lines, *_tables(status)]), output)
    return console.FINDINGS if held or status.unknown or aborted or is_found else console.OK


def _embedded_lines(status: "Status", shown: "EmbeddedShown") -> list[str]:
    up = "up" if shown.up else "down; start it with `ml-pipeline up`"
    revision = shown.revision
    lines = [f"environment {up}, revision {(revision.applied or 'none')[:_SHORT]}"]
    if revision.error:
        lines.append(f"revision {(revision.seen or '')[:_SHORT]} {revision.error}")
    if status.unknown:
        lines.append(status.unknown)
    return [*lines, *shown.missing]


def _cluster_lines(status: "Status", shown: "ClusterShown") -> list[str]:
    parts = []
    for part, revision in shown.applied.items():
        parts.append(f"{part} {revision[:_SHORT] or 'nothing yet'}")
    head = (
        f"environment {status.environment}: {status.branch} is at {status.revision[:_SHORT]}; "
        f"applied: {', '.join(parts) or 'nothing'}"
    )
    lines = [head, *shown.findings]
    if status.unknown:
        lines.append(status.unknown)
    return lines


def _tables(status: "Status") -> list[str]:
    """Jobs, models and rollouts."""
    if status.shown is None:
        return []
    jobs = map(_job_row, status.shown.jobs)
    texts = [status.no_jobs or console.table([_HEAD, *jobs])]
    for model in status.shown.models:
        texts += _model_texts(model)
    return [*texts, *map(str, status.rollouts)]


def _job_row(job: "JobStatus") -> tuple[str, ...]:
    return job.name, job.phase, str(job.attempt), f"{job.seconds:.0f}", job.message


def _model_texts(model: "ModelStatus") -> list[str]:
    rows = [(f"  {one.weight} %", one.run, one.message) for one in model.predictors]
    return [f"{model.model}: {model.state}, {model.url}", console.table(rows)]


def _embedded_data(status: "Status", shown: "EmbeddedShown") -> dict[str, Any]:
    return {
        "up": shown.up,
        "held": _rows(status.held),
        "revision": _known(shown.revision),
        "jobs": _rows(shown.jobs),
        "models": list(map(_known, shown.models)),
        "rollouts": _rows(status.rollouts),
        "missing": shown.missing,
    }


def _cluster_data(status: "Status", shown: "ClusterShown") -> dict[str, Any]:
    return {
        "revision": status.revision,
        "held": _rows(status.held),
        "applied": shown.applied,
        "findings": shown.findings,
        "jobs": _rows(shown.jobs),
        "models": list(map(_known, shown.models)),
        "rollouts": _rows(status.rollouts),
    }


def _rows(records: "Iterable[DataclassInstance]") -> list[dict[str, Any]]:
    return [asdict(record) for record in records]


def _known(record: "DataclassInstance") -> dict[str, Any]:
    """A record without what its environment does not tell."""
    return {key: value for key, value in asdict(record).items() if value is not None}


COMMAND = Command(
    "status",
    "show what runs, waits and serves",
    add_arguments,
    run,
    example="status --env staging --watch",
    prints="Jobs and models, one line each; exit code 1 where something keeps it from going on",
)
