"""`ml-pipeline submit`: an experiment becomes a commit with its overlay, merged or as a branch for a pull request."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ml_pipeline.adapters.code import digest_at
from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.documents.reader import interpret
from ml_pipeline.documents.source import Source, parse
from ml_pipeline.documents.writer import to_document
from ml_pipeline.rules.checks import checked
from ml_pipeline.rules.identity import SHORT
from ml_pipeline.rules.render import Changes, applied, drift
from ml_pipeline.rules.training import asked_run, settled_by
from ml_pipeline.verbs import console
from ml_pipeline.verbs.workspace import Workspace, open_workspace


@dataclass(frozen=True)
class Submission:
    """What was committed: the experiment and the revision that holds it. `run` is its identity, if its data is prepared;
    `lacking` says what of it is not on this machine though a receipt names it."""

    experiment: Experiment
    run: str | None
    revision: str
    branch: str
    already_trained: bool
    lacking: str = ""


def submit(
    repo: Path,
    draft: Path,
    *,
    settings: tuple[str, ...] = (),
    merge: bool = False,
    remote: str | None = None,
) -> int:
    """Commit the experiment in a file; `settings` such as `parameters.epochs=5` change it first."""
    source = parse(str(draft), draft.read_bytes() if draft.exists() else _missing(draft))
    if not isinstance(source, Source):
        raise InvalidDocumentsError([source])
    submission = submit_source(repo, with_settings(source, settings), merge=merge, remote=remote)
    what = (
        f"{submission.experiment.name}/{submission.run[:SHORT]}"
        if submission.run
        else submission.experiment.name
    )
    if submission.already_trained and submission.lacking:
        console.result(f"{what}: nothing runs; {submission.lacking}")
    elif submission.already_trained:
        console.result(f"{what}: trained already, its receipt is reused and nothing runs")
    else:
        console.result(f"{what}: committed as {submission.revision[:10]} on {submission.branch}")
        if submission.lacking:
            console.talk(submission.lacking)
    return console.OK


def submit_source(
    repo: Path, source: Source, *, merge: bool, remote: str | None = None
) -> Submission:
    """Commit an experiment that was parsed already; the trainer image is pinned if it is not yet.

    Raises:
        InvalidDocumentsError: the experiment breaks a rule; nothing is committed.
    """
    workspace = open_workspace(repo, remote, environment=str(source.data.get("environment")))
    experiment = read_experiment(replace(source, data=_pinned(workspace, source.data)))
    path = f"experiments/{experiment.name}/experiment.yaml"
    branch = workspace.repository.branch if merge else f"experiments/{experiment.name}"

    def plan(revision: str) -> tuple[Changes, str]:
        files = workspace.repository.read(revision)
        changes = Changes({path: to_document(path, experiment)})
        after = applied(files, changes)
        changes |= drift(checked(after))
        return Changes(
            {p: raw for p, raw in changes.write.items() if files.get(p) != raw}, changes.delete
        ), _message(experiment)

    if merge:
        revision = workspace.repository.propose(plan) or workspace.revision
    else:
        changes, message = plan(workspace.revision)
        revision = (
            workspace.repository.commit(workspace.revision, changes, message)
            if changes
            else workspace.revision
        )
        workspace.repository.push_branch(revision, branch, _at(workspace, branch))
    run = asked_run(workspace.snapshot, experiment)
    settled = settled_by(workspace.snapshot, experiment)
    lacking = workspace.lacks(experiment)
    return Submission(experiment, run, revision, branch, settled is not None, lacking)


def _pinned(workspace: Workspace, data: Mapping[str, Any]) -> dict[str, Any]:
    """The data with the image filled in: the environment's default, or the trainer of this revision where that is embedded."""
    environment = workspace.snapshot.environments.get(str(data.get("environment")))
    if "image" in data or environment is None:
        return dict(data)
    digest = environment.images.trainer.digest or digest_at(
        workspace.repository, workspace.revision, "trainer"
    )
    return {**data, "image": digest}


def read_experiment(source: Source) -> Experiment:
    """A parsed file as an experiment.

    Raises:
        InvalidDocumentsError: with every fault.
    """
    result = interpret(Experiment, source)
    if isinstance(result, list):
        raise InvalidDocumentsError(result)
    document = result[0]
    assert isinstance(document, Experiment)
    return document


def with_settings(source: Source, settings: tuple[str, ...]) -> Source:
    """A parsed file after changes such as `parameters.epochs=5`.

    Raises:
        PipelineError: one is not of that form.
    """
    data = copy.deepcopy(source.data)
    for setting in settings:
        key, separator, text = setting.partition("=")
        value = parse("--set", f"value: {text}\n".encode())
        if not separator or not key or not isinstance(value, Source):
            raise PipelineError(f"--set {setting!r} must be KEY=VALUE, such as parameters.epochs=5")
        *parents, last = key.split(".")
        target = data
        for parent in parents:
            target = target.setdefault(parent, {})
            if not isinstance(target, dict):
                raise PipelineError(
                    f"--set {setting!r}: {parent} holds no keys; name a key of the experiment"
                )
        target[last] = value.data["value"]
    return replace(source, data=data)


def _message(experiment: Experiment) -> str:
    values = ", ".join(
        f"{key} {value}"
        for key, value in experiment.parameters.model_dump(exclude_defaults=True).items()
    )
    return f"Train {experiment.name}\n\n{experiment.model.type} on {experiment.dataset.uri} with {values}, seed {experiment.seed}.\n"


def _at(workspace: Workspace, branch: str) -> str:
    listed = workspace.repository.call(
        "ls-remote", workspace.repository.remote, f"refs/heads/{branch}"
    )
    return listed.split()[0] if listed else ""


def _missing(draft: Path) -> bytes:
    raise PipelineError(f"{draft} is not there; name the experiment.yaml to submit")
