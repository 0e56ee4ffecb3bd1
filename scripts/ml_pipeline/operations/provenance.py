"""`ml-pipeline why`, `compare` and `history`: where a served model came from, how runs differ, what served when."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_pipeline.adapters.git.repository import Commit, Repository
from ml_pipeline.commands import console
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.receipts import DataVersion, Run
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.layout import promotion_path, rollout_path, rollouts_folder
from ml_pipeline.operations.status import model_status
from ml_pipeline.operations.workspace import Workspace, open_branch
from ml_pipeline.rules.identity.runs import matching_runs, ordered, record_of
from ml_pipeline.rules.identity.served import Serving, serving_of

Facts = dict[str, Any]


def why(repo: Path, model: str, *, environment: str = "local", output: str = "text") -> int:
    """The chain from the endpoint to the bytes that it began with, for each predictor."""
    workspace = open_branch(repo, environment=environment)
    serving = _serving(workspace, environment, model)
    live = model_status(State(repo.resolve() / ".ml-pipeline"), model)
    chains = [
        {"endpoint": live["url"] if live else None, **_chain(workspace, serving, reference)}
        for reference in serving.weights
    ]
    tables = (console.table(list(_links(chain))) for chain in chains)
    console.answer(chains, "\n\n".join(tables), output)
    return console.OK


def compare(
    repo: Path,
    patterns: tuple[str, ...],
    *,
    sort: str = "",
    reverse: bool = False,
    output: str = "text",
) -> int:
    """Runs side by side: what differs in what decided them, and what came of it."""
    snapshot = open_branch(repo).snapshot
    found = matching_runs(snapshot, patterns)
    if sort:
        by_name = {f"{run.experiment}/{run.id}": run for run in found}
        records = (record_of(run, time.time()) for run in found)
        found = [by_name[record.run] for record in ordered(records, sort, reverse=reverse)]
    columns = [_lines_of(run) for run in found]
    keys = list(dict.fromkeys(key for column in columns for key in column))
    rows = [(key, *(column.get(key, "-") for column in columns)) for key in keys]
    differing = [
        row for row in rows if len(set(row[1:])) > 1 or not row[0].startswith("decided by")
    ]
    head = ("", *(f"{run.experiment}/{run.id}" for run in found))
    console.answer([_facts(run) for run in found], console.table([head, *differing]), output)
    return console.OK


def history(repo: Path, model: str, *, environment: str = "local", output: str = "text") -> int:
    """Every change of what served a model, newest first, with who made it."""
    workspace = open_branch(repo, environment=environment)
    changes = _Past(workspace.repository, environment, model).changes(workspace.revision)
    if not changes:
        raise PipelineError(
            f"{model!r} was never promoted in {environment}; `ml-pipeline promote` does that"
        )
    head = ("WHEN", "COMMIT", "BY", "SERVES", "WHY")
    text = console.table([head, *(change.row() for change in changes)])
    console.answer([change.data() for change in changes], text, output)
    return console.OK


@dataclass(frozen=True)
class Change:
    """What served after a commit: percent of the traffic by run, or why that cannot be said."""

    commit: Commit
    weights: dict[str, int]
    problem: str | None = None

    def row(self) -> tuple[str, ...]:
        """For people."""
        commit = self.commit
        shares = ", ".join(f"{weight} % {run}" for run, weight in self.weights.items())
        serves = self.problem or shares or "nothing"
        return commit.when[:19], commit.sha[:10], commit.author, serves, commit.subject

    def data(self) -> Facts:
        """For programs."""
        return {
            "when": self.commit.when,
            "commit": self.commit.sha,
            "author": self.commit.author,
            "subject": self.commit.subject,
            "serves": [{"run": run, "weight": weight} for run, weight in self.weights.items()],
            "problem": self.problem,
        }


@dataclass(frozen=True)
class _Past:
    """What served a model. Two looks at git answer for all commits: for their promotions, then for the weights of each."""

    repository: Repository
    environment: str
    model: str

    def changes(self, revision: str) -> list[Change]:
        """Newest first."""
        promotion = promotion_path(self.environment, self.model)
        rendered = f"environments/{self.environment}/serving/{self.model}"
        places = [promotion, rollouts_folder(self.environment, self.model), rendered]
        commits = self.repository.log(places, revision)
        promotions = self._at(commits, [promotion] * len(commits))
        weights = self._at(
            commits, [self._weights_path(files) or promotion for files in promotions]
        )
        changes = [
            self._change(commit, of_person | of_automation)
            for commit, of_person, of_automation in zip(commits, promotions, weights, strict=True)
        ]
        # What automation opened before the first promotion served nothing.
        while changes and not changes[-1].weights and not changes[-1].problem:
            changes.pop()
        return changes

    def _at(self, commits: list[Commit], paths: list[str]) -> list[dict[str, bytes]]:
        """One file of each commit; none where it was not there."""
        names = [f"{commit.sha}:{path}" for commit, path in zip(commits, paths, strict=True)]
        found = zip(paths, self.repository.contents(names), strict=True)
        return [{} if raw is None else {path: raw} for path, raw in found]

    def _weights_path(self, files: dict[str, bytes]) -> str | None:
        """Where automation keeps the weights of what a promotion asks for; None where nothing is promoted."""
        try:
            serving = serving_of(Snapshot(files), self.environment, self.model)
        except PipelineError:
            return None
        return rollout_path(self.environment, self.model, serving.rollout) if serving else None

    def _change(self, commit: Commit, files: dict[str, bytes]) -> Change:
        try:
            serving = serving_of(Snapshot(files), self.environment, self.model)
        except (
            PipelineError
        ) as error:  # an older format, or an edit by hand: the others still count
            return Change(commit, {}, f"unknown: {str(error).splitlines()[0]}")
        return Change(commit, serving.weights if serving else {})


def _serving(workspace: Workspace, environment: str, model: str) -> Serving:
    serving = serving_of(workspace.snapshot, environment, model)
    if serving is None:
        raise PipelineError(
            f"{model!r} is not promoted in {environment}; `ml-pipeline history {model}` shows the past"
        )
    return serving


def _chain(workspace: Workspace, serving: Serving, reference: str) -> Facts:
    run = workspace.snapshot.runs_by_reference[reference]
    assert run.artifact is not None
    receipt = f"experiments/{run.experiment}/runs/{run.id}.yaml"
    promotion = promotion_path(serving.environment, serving.model)
    log = workspace.repository.log
    added = log([receipt], workspace.revision, "--diff-filter=A", "-1")[0]
    promoted = log([promotion], workspace.revision, "-1")[0]
    data = _data_of(workspace.snapshot, run)
    return {
        "predictor": {"name": f"run-{run.id}", "weight": serving.weights[reference]},
        "promotion": {
            "commit": promoted.sha,
            "author": promoted.author,
            "when": promoted.when,
            "subject": promoted.subject,
        },
        "model": run.artifact.model_dump(),
        "run": {
            "name": reference,
            "tracking": run.tracking.model_dump() if run.tracking else None,
        },
        "receipt": {"path": receipt, "commit": added.sha},
        "experiment": {
            "path": f"experiments/{run.experiment}/experiment.yaml",
            "commit": run.commit,
        },
        "data": {
            "sha256": run.decided_by.data,
            "rows": data.rows if data else None,
            "source": data.source if data else None,
        },
        "image": run.decided_by.image,
    }


def _links(chain: Facts) -> Iterator[tuple[str, str]]:
    """A chain as people read it."""
    promoted, model, run = chain["promotion"], chain["model"], chain["run"]
    data = chain["data"]
    rows = "its receipt is gone"
    if data["source"]:
        rows = f"{data['rows']} rows of {data['source']}"
    yield "endpoint", chain["endpoint"] or "not running"
    yield (
        "predictor",
        f"{chain['predictor']['name']} with {chain['predictor']['weight']} % of the traffic",
    )
    yield (
        "promotion",
        f"{promoted['commit'][:10]} by {promoted['author']}, {promoted['when']}: {promoted['subject']}",
    )
    yield "model", f"sha256 {model['sha256']}, {model['uri']}"
    yield (
        "run",
        f"{run['name']}, MLflow run {run['tracking']['run_id'] if run['tracking'] else 'unknown'}",
    )
    yield "receipt", f"{chain['receipt']['path']}, recorded in {chain['receipt']['commit'][:10]}"
    yield "experiment", f"{chain['experiment']['path']} at {chain['experiment']['commit'][:10]}"
    yield "data", f"sha256 {data['sha256']}, {rows}"
    yield "image", chain["image"]


def _data_of(snapshot: Snapshot, run: Run) -> DataVersion | None:
    """The receipt of the data that decided a run."""
    for receipt in snapshot.data.values():
        if receipt.data and receipt.data.sha256 == run.decided_by.data:
            return receipt
    return None


def _facts(run: Run) -> Facts:
    """A run for programs: numbers as numbers, digests whole."""
    return {
        "run": f"{run.experiment}/{run.id}",
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


def _lines_of(run: Run) -> dict[str, str]:
    """A run for people, by the name of each line."""
    decided = run.decided_by.model_dump()
    parameters = decided.pop("parameters")
    lines = {f"decided by {key}": str(value)[:40] for key, value in decided.items()}
    lines |= {f"decided by {key}": str(value) for key, value in parameters.items()}
    lines |= {"outcome": run.outcome} | {name: f"{value:g}" for name, value in run.metrics.items()}
    lines |= {f"gate {gate.name}": "passed" if gate.passed else "failed" for gate in run.gates}
    lines |= {
        "duration_s": f"{run.duration_s:g}",
        "cost": f"{run.cost.amount:g} {run.cost.currency}" if run.cost else "-",
    }
    return lines
