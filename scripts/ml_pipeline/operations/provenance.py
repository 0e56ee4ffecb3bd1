"""Where a served model came from, how runs differ, what served when."""

import time
from dataclasses import dataclass
from pathlib import Path

from ml_pipeline.adapters.git.history import Commit
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.receipts import DataVersion, Run, Stored
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.environments.embedded.observe import state_of
from ml_pipeline.environments.embedded.status import url_of
from ml_pipeline.layout import (
    experiment_path,
    promotion_path,
    rollout_path,
    rollouts_folder,
    run_path,
    serving_folder,
)
from ml_pipeline.operations.workspace import Workspace, open_branch
from ml_pipeline.rules.identity.runs import matching_runs, ordered, record_of
from ml_pipeline.rules.identity.served import Serving, serving_of


@dataclass(frozen=True)
class Chain:
    """Where a predictor came from, from the endpoint to the bytes that it began with."""

    endpoint: str | None
    """None while nothing answers."""
    predictor: str
    weight: int
    """Percent of the traffic."""
    promotion: Commit
    """The newest that changed what is promoted."""
    run: Run
    artifact: Stored
    """The model that it serves."""
    reference: str
    """The run as promotions name it."""
    receipt: str
    """Path of the run's receipt."""
    recorded: str
    """The commit that has added it."""
    experiment: str
    """Path of the experiment."""
    data: DataVersion | None
    """The receipt of the data that decided the run; None where it is gone."""


@dataclass(frozen=True)
class Change:
    """What served after a commit: percent of the traffic by run, or why that cannot be said."""

    commit: Commit
    weights: dict[str, int]
    problem: str | None = None


def why(repo: Path, model: str, *, environment: str = "local") -> list[Chain]:
    """The chain of each predictor.

    Raises:
        PipelineError: nothing is promoted.
    """
    workspace = open_branch(repo, environment=environment)
    serving = serving_of(workspace.snapshot, environment, model)
    if serving is None:
        raise PipelineError(
            f"{model!r} is not promoted in {environment}; "
            f"`ml-pipeline history {model}` shows the past"
        )
    url = url_of(state_of(repo), model)
    return [_chain(workspace, serving, reference, url) for reference in serving.weights]


def compare(
    repo: Path, patterns: tuple[str, ...], *, sort: str = "", reverse: bool = False
) -> list[Run]:
    """The runs that patterns name, in the order that was asked for, or in that of a metric.

    Raises:
        PipelineError: nothing has such a name, or no run such a metric.
    """
    matching = matching_runs(open_branch(repo).snapshot, patterns)
    if not sort:
        return matching
    by_name = {run.reference: run for run in matching}
    records = (record_of(run, time.time()) for run in matching)
    return [by_name[record.run] for record in ordered(records, sort, reverse=reverse)]


def history(repo: Path, model: str, *, environment: str = "local") -> list[Change]:
    """Every change of what served a model, newest first.

    Raises:
        PipelineError: it was never promoted.
    """
    workspace = open_branch(repo, environment=environment)
    changes = _Past(workspace.repository, environment, model).changes(workspace.revision)
    if not changes:
        raise PipelineError(
            f"{model!r} was never promoted in {environment}; `ml-pipeline promote` does that"
        )
    return changes


@dataclass(frozen=True)
class _Past:
    """What served a model.

    Two looks at git answer for all commits: for their promotions, then for the weights of each.
    """

    repository: Repository
    environment: str
    model: str

    def changes(self, revision: str) -> list[Change]:
        """Newest first."""
        promotion = promotion_path(self.environment, self.model)
        reached = rollouts_folder(self.environment, self.model)
        rendered = serving_folder(self.environment, self.model)
        commits = self.repository.log([promotion, reached, rendered], revision)
        promotions = self._at(commits, [promotion] * len(commits))
        weights_paths = [self._weights_path(files) or promotion for files in promotions]
        weights = self._at(commits, weights_paths)
        changes = []
        for commit, of_person, of_automation in zip(commits, promotions, weights, strict=True):
            changes.append(self._change(commit, of_person | of_automation))
        # What automation opened before the first promotion served nothing.
        while changes and not changes[-1].weights and not changes[-1].problem:
            changes.pop()
        return changes

    def _at(self, commits: list[Commit], paths: list[str]) -> list[dict[str, bytes]]:
        """One file of each commit; none where it was not there."""
        names = [f"{commit.sha}:{path}" for commit, path in zip(commits, paths, strict=True)]
        files = []
        for path, raw in zip(paths, self.repository.contents(names), strict=True):
            files.append({} if raw is None else {path: raw})
        return files

    def _weights_path(self, files: dict[str, bytes]) -> str | None:
        """Where automation keeps the weights of a promotion; None where nothing is promoted."""
        try:
            serving = serving_of(Snapshot(files), self.environment, self.model)
        except PipelineError:
            return None
        return rollout_path(self.environment, self.model, serving.rollout) if serving else None

    def _change(self, commit: Commit, files: dict[str, bytes]) -> Change:
        try:
            serving = serving_of(Snapshot(files), self.environment, self.model)
        except PipelineError as error:
            # An older format, or an edit by hand: the other commits still count.
            return Change(commit, {}, f"unknown: {str(error).splitlines()[0]}")
        return Change(commit, serving.weights if serving else {})


def _chain(workspace: Workspace, serving: Serving, reference: str, url: str | None) -> Chain:
    run = workspace.snapshot.runs_by_reference[reference]
    assert run.artifact is not None
    receipt = run_path(run.experiment, run.id)
    promotion = promotion_path(serving.environment, serving.model)
    log = workspace.repository.log
    return Chain(
        endpoint=url,
        predictor=f"run-{run.id}",
        weight=serving.weights[reference],
        promotion=log([promotion], workspace.revision, "-1")[0],
        run=run,
        artifact=run.artifact,
        reference=reference,
        receipt=receipt,
        recorded=log([receipt], workspace.revision, "--diff-filter=A", "-1")[0].sha,
        experiment=experiment_path(run.experiment),
        data=_data_of(workspace.snapshot, run),
    )


def _data_of(snapshot: Snapshot, run: Run) -> DataVersion | None:
    """The receipt of the data that decided a run."""
    for receipt in snapshot.data.values():
        if receipt.data and receipt.data.sha256 == run.decided_by.data:
            return receipt
    return None
