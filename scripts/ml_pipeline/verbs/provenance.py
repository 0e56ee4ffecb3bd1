"""`ml-pipeline why`, `compare` and `history`: where a served model came from, how runs differ, what served when."""

from pathlib import Path

from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.receipts import Run
from ml_pipeline.documents.snapshot import Snapshot, load_snapshot
from ml_pipeline.local.state import State
from ml_pipeline.rules.serving import Serving, state
from ml_pipeline.verbs import console
from ml_pipeline.verbs.promote import find_run
from ml_pipeline.verbs.status import model_status
from ml_pipeline.verbs.workspace import Workspace, open_workspace


def why(repo: Path, model: str, *, environment: str = "local", output: str = "text") -> int:
    """The chain from the endpoint to the bytes that it began with, for each predictor."""
    workspace = open_workspace(repo, environment=environment)
    serving = _serving(workspace, environment, model)
    live = model_status(State(repo.resolve() / ".ml-pipeline"), model)
    url = live["url"] if live else "not running"
    chains = [
        _chain(workspace, serving, reference, weight, url)
        for reference, weight in serving.weights.items()
    ]
    console.answer(
        [dict(chain) for chain in chains],
        "\n\n".join(console.table(chain) for chain in chains),
        output,
    )
    return console.OK


def compare(repo: Path, references: tuple[str, ...], *, output: str = "text") -> int:
    """Runs side by side: what differs in what decided them, and what came of it."""
    snapshot = open_workspace(repo).snapshot
    runs = [find_run(snapshot, reference) for reference in references]
    columns = [_facts(run) for run in runs]
    keys = list(dict.fromkeys(key for column in columns for key in column))
    rows = [(key, *(column.get(key, "-") for column in columns)) for key in keys]
    differing = [
        row for row in rows if len(set(row[1:])) > 1 or not row[0].startswith("decided by")
    ]
    head = ("", *(f"{run.experiment}/{run.id}" for run in runs))
    console.answer([dict(column) for column in columns], console.table([head, *differing]), output)
    return console.OK


def history(repo: Path, model: str, *, environment: str = "local", output: str = "text") -> int:
    """Every change of what served a model, newest first, with who made it."""
    workspace = open_workspace(repo, environment=environment)
    paths = [
        f"environments/{environment}/{part}/{model}{end}"
        for part, end in (("promotions", ".yaml"), ("rollouts", ""), ("serving", ""))
    ]
    rows: list[tuple[str, ...]] = []
    for commit in reversed(workspace.repository.log(paths, workspace.revision)):
        serving = state(load_snapshot(workspace.repository.read(commit.sha)), environment, model)
        weights = (
            ", ".join(f"{weight} % {reference}" for reference, weight in serving.weights.items())
            if serving
            else "nothing"
        )
        if serving or rows:  # what automation opened before the first promotion served nothing
            rows.insert(
                0, (commit.when[:19], commit.sha[:10], commit.author, weights, commit.subject)
            )
    if not rows:
        raise PipelineError(
            f"{model!r} was never promoted in {environment}; `ml-pipeline promote` does that"
        )
    console.answer(
        [list(row) for row in rows],
        console.table([("WHEN", "COMMIT", "BY", "SERVES", "WHY"), *rows]),
        output,
    )
    return console.OK


def _serving(workspace: Workspace, environment: str, model: str) -> Serving:
    serving = state(workspace.snapshot, environment, model)
    if serving is None:
        raise PipelineError(
            f"{model!r} is not promoted in {environment}; `ml-pipeline history {model}` shows the past"
        )
    return serving


def _chain(
    workspace: Workspace, serving: Serving, reference: str, weight: int, url: str
) -> list[tuple[str, str]]:
    run = workspace.snapshot.runs_by_reference[reference]
    assert run.artifact is not None
    receipt = f"experiments/{run.experiment}/runs/{run.id}.yaml"
    added = workspace.repository.log([receipt], workspace.revision, "--diff-filter=A", "-1")[0]
    promoted = workspace.repository.log(
        [f"environments/{serving.environment}/promotions/{serving.model}.yaml"],
        workspace.revision,
        "-1",
    )[0]
    data = _data_of(workspace.snapshot, run)
    return [
        ("endpoint", url),
        ("predictor", f"run-{run.id} with {weight} % of the traffic"),
        (
            "promotion",
            f"{promoted.sha[:10]} by {promoted.author}, {promoted.when}: {promoted.subject}",
        ),
        ("model", f"sha256 {run.artifact.sha256}, {run.artifact.uri}"),
        ("run", f"{reference}, MLflow run {run.tracking.run_id if run.tracking else 'unknown'}"),
        ("receipt", f"{receipt}, recorded in {added.sha[:10]}"),
        ("experiment", f"experiments/{run.experiment}/experiment.yaml at {run.commit[:10]}"),
        ("data", f"sha256 {run.decided_by.data}, {data}"),
        ("image", run.decided_by.image),
    ]


def _data_of(snapshot: Snapshot, run: Run) -> str:
    match = next(
        (d for d in snapshot.data.values() if d.data and d.data.sha256 == run.decided_by.data), None
    )
    return f"{match.rows} rows of {match.source}" if match else "its receipt is gone"


def _facts(run: Run) -> dict[str, str]:
    decided = run.decided_by.model_dump()
    facts = {
        f"decided by {key}": str(value)[:40]
        for key, value in decided.items()
        if key != "parameters"
    }
    facts |= {f"decided by {key}": str(value) for key, value in decided["parameters"].items()}
    facts |= {"outcome": run.outcome} | {name: f"{value:g}" for name, value in run.metrics.items()}
    facts |= {f"gate {gate.name}": "passed" if gate.passed else "failed" for gate in run.gates}
    facts |= {
        "duration_s": f"{run.duration_s:g}",
        "cost": f"{run.cost.amount:g} {run.cost.currency}" if run.cost else "-",
    }
    return facts
