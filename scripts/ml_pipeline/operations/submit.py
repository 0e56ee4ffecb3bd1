"""`ml-pipeline submit`: an experiment becomes a commit with its overlay, merged or as a branch for a pull request."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ml_pipeline.adapters.git.checkout import follow
from ml_pipeline.adapters.git.code import digest_at, digest_of_tree, revision_of
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.commands import console
from ml_pipeline.documents.changes import Changes, applied
from ml_pipeline.documents.edit import Setting, edited
from ml_pipeline.documents.escape import shown
from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.documents.reader import interpret
from ml_pipeline.documents.receipts import DataVersion, Run
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.documents.source import Source, parse
from ml_pipeline.layout import SHORT
from ml_pipeline.operations.workspace import Workspace, open_workspace
from ml_pipeline.rules.identity.awaited import run_identity_of
from ml_pipeline.rules.identity.settled import receipt_line, settling_receipt
from ml_pipeline.rules.render.drift import drift
from ml_pipeline.rules.review.faults import checked_snapshot
from ml_pipeline.rules.review.names import known_environments

TRAINER = "trainer"
ORDER = tuple(Experiment.model_fields)
Plan = Callable[[str], tuple[Changes, str]]


@dataclass(frozen=True)
class Draft:
    """An experiment to be committed: `source` is what was read, for the places of faults, `raw` what is committed."""

    source: Source
    raw: bytes


@dataclass(frozen=True)
class Existing:
    """An experiment that is in the repository, and its file."""

    experiment: Experiment
    raw: bytes


@dataclass(frozen=True)
class Submission:
    """What became of a draft. `revision` holds the experiment on `branch`; nothing was committed where it did before.

    `run` is its identity, if its data is prepared; `receipt` what has settled it, if it is; `lacking`
    says what of it is not on this machine though a receipt names it.
    """

    experiment: Experiment
    run: str | None
    revision: str
    branch: str
    committed: bool
    receipt: Run | DataVersion | None = None
    lacking: str = ""

    @property
    def name(self) -> str:
        """`experiment/id`, the experiment alone until its data is prepared."""
        name = self.experiment.name
        return f"{name}/{self.run[:SHORT]}" if self.run else name


def submit(
    repo: Path,
    draft: Path,
    *,
    settings: tuple[str, ...] = (),
    merge: bool = False,
    remote: str | None = None,
) -> int:
    """Commit the experiment in a file; `settings` such as `parameters.epochs=5` change it first.

    Raises:
        PipelineError: the file is not there, or a setting is malformed.
        InvalidDocumentsError: the experiment breaks a rule; nothing is committed.
    """
    raw = _read(draft)
    source = parse(str(draft), raw)
    if not isinstance(source, Source):
        raise InvalidDocumentsError([source])
    changed = raw
    for setting in settings:
        changed = edited(str(draft), changed, Setting.parsed(setting), order=ORDER)
    workspace = open_workspace(repo, remote, environment=str(source.data.get("environment")))
    submission = submit_draft(workspace, Draft(source, changed), merge=merge)
    console.result(_said(workspace, submission))
    if submission.lacking and not submission.receipt:
        console.talk(submission.lacking)
    if submission.committed and merge:
        _follow(workspace, submission, raw)
    return console.OK


def submit_draft(workspace: Workspace, draft: Draft, *, merge: bool) -> Submission:
    """Commit an experiment; the trainer image is pinned if it is not yet. A run that is settled needs no commit.

    Raises:
        InvalidDocumentsError: the experiment breaks a rule; nothing is committed.
        PipelineError: it pins code that no commit holds.
    """
    raw = _pinned(workspace, draft)
    found = parse(draft.source.path, raw)
    assert isinstance(found, Source)
    experiment = read_experiment(replace(draft.source, data=found.data))
    branch = workspace.repository.branch if merge else f"experiments/{experiment.name}"
    there = workspace.snapshot.experiments.get(experiment.name)
    receipt = settling_receipt(workspace.snapshot, experiment)
    if receipt is None:
        _check_code(workspace, experiment, draft.source)
    if receipt and there in (None, experiment):
        revision, committed = workspace.revision, False
    elif merge:
        made = workspace.repository.propose(_planned(workspace, draft.source, experiment, raw))
        revision, committed = made or workspace.revision, made is not None
    else:
        plan = _planned(workspace, draft.source, experiment, raw)
        revision, committed = _on_branch(workspace.repository, workspace.revision, branch, plan)
    run = run_identity_of(workspace.snapshot, experiment)
    lacking = workspace.lacks(experiment)
    return Submission(experiment, run, revision, branch, committed, receipt, lacking)


def existing(workspace: Workspace, name: str) -> Existing | None:
    """The experiment of that name: the one on the branch that counts, else the one that waits on a branch of its own."""
    snapshot, repository = workspace.snapshot, workspace.repository
    if name not in snapshot.experiments and (waiting := _at(repository, f"experiments/{name}")):
        repository.call("fetch", "--quiet", repository.remote, waiting)
        snapshot = Snapshot(repository.read(waiting, ["experiments"]))
    if name not in snapshot.experiments:
        return None
    raw = snapshot.files[f"experiments/{name}/experiment.yaml"]
    return Existing(snapshot.experiments[name], raw)


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


def _read(draft: Path) -> bytes:
    if draft.is_dir():
        raise PipelineError(f"{draft} is a folder; name the experiment.yaml to submit")
    if not draft.exists():
        raise PipelineError(f"{draft} is not there; name the experiment.yaml to submit")
    return draft.read_bytes()


def _pinned(workspace: Workspace, draft: Draft) -> bytes:
    """The draft with the image filled in: the environment's default, or the trainer of the branch where that is embedded."""
    source = parse(draft.source.path, draft.raw)
    assert isinstance(source, Source)
    if source.data.get("image") is not None or "environment" not in source.data:
        return draft.raw
    name = source.data["environment"]
    environment = workspace.snapshot.environments.get(name) if isinstance(name, str) else None
    if environment is None:
        text = (
            f"{shown(name)} does not exist; {known_environments(workspace.snapshot.environments)}"
        )
        raise InvalidDocumentsError([draft.source.fault("environment", text)])
    digest = environment.images.trainer.digest or digest_at(
        workspace.repository, workspace.revision, TRAINER
    )
    return edited(source.path, draft.raw, Setting(("image",), digest, "image"), order=ORDER)


def _check_code(workspace: Workspace, experiment: Experiment, source: Source) -> None:
    """Say where the code that trains is not the code in the tree. On Kubernetes digests are of images: nothing to compare.

    Raises:
        InvalidDocumentsError: no commit holds the code that is pinned.
    """
    environment = workspace.snapshot.environments.get(experiment.environment)
    if environment is None or environment.runtime != "embedded":
        return
    repository, revision, pinned = workspace.repository, workspace.revision, experiment.image
    try:
        commit = revision_of(repository, revision, TRAINER, pinned)
    except PipelineError as error:
        raise InvalidDocumentsError([source.fault("image", str(error))]) from error
    mine = digest_of_tree(repository, TRAINER)
    if mine in (None, pinned):
        return
    try:
        revision_of(repository, revision, TRAINER, str(mine))
        first = "to train yours"
    except PipelineError:
        first = f"to train yours, commit and merge {TRAINER}/ first, then"
    console.talk(
        f"{experiment.name} trains {TRAINER}/ as of {commit[:10]}, not as in this tree; "
        f"{first} submit with --set image={mine}"
    )


def _planned(workspace: Workspace, source: Source, experiment: Experiment, raw: bytes) -> Plan:
    path = f"experiments/{experiment.name}/experiment.yaml"

    def plan(revision: str) -> tuple[Changes, str]:
        files = workspace.repository.read(revision)
        changes = Changes({path: raw})
        try:
            changes |= drift(checked_snapshot(applied(files, changes)))
        except InvalidDocumentsError as error:
            raise _at_draft(error, path, source) from error
        written = {p: raw for p, raw in changes.write.items() if files.get(p) != raw}
        return Changes(written, changes.delete), _message(experiment)

    return plan


def _at_draft(error: InvalidDocumentsError, path: str, source: Source) -> InvalidDocumentsError:
    """Faults of the committed file, at the lines of the file that the person has."""
    return InvalidDocumentsError(
        source.fault(fault.key, fault.text) if fault.path == path else fault
        for fault in error.faults
    )


def _on_branch(repository: Repository, main: str, branch: str, plan: Plan) -> tuple[str, bool]:
    """The revision of a branch for a pull request, and whether it is new; commits of others on the branch stay."""
    there = _at(repository, branch)
    start = main
    if there:
        repository.call("fetch", "--quiet", repository.remote, there)
        start = main if _merged(repository, there, main) else there
    changes, message = plan(start)
    if not changes:
        return start, False
    revision = repository.commit(start, changes, message)
    repository.push_branch(revision, branch, there)
    return revision, True


def _merged(repository: Repository, branch: str, main: str) -> bool:
    """Whether a branch has nothing that is not on main, however it was merged."""
    fork = repository.call("merge-base", branch, main)
    changed = repository.call("diff", "--name-only", "--no-renames", fork, branch).splitlines()
    return not changed or not repository.call("diff", "--name-only", branch, main, "--", *changed)


def _at(repository: Repository, branch: str) -> str:
    listed = repository.call("ls-remote", repository.remote, f"refs/heads/{branch}")
    return listed.split()[0] if listed else ""


def _message(experiment: Experiment) -> str:
    values = ", ".join(
        f"{key} {value}"
        for key, value in experiment.parameters.model_dump(exclude_defaults=True).items()
    )
    return f"Train {experiment.name}\n\n{experiment.model.type} on {experiment.dataset.uri} with {values}, seed {experiment.seed}.\n"


def _said(workspace: Workspace, submission: Submission) -> str:
    where = f"{submission.revision[:10]} on {submission.branch}"
    if submission.receipt:
        done = f"committed as {where}" if submission.committed else "nothing to commit"
        why = submission.lacking or receipt_line(workspace.snapshot, submission.receipt)
        return f"{submission.name}: {done}; {why}"
    if submission.committed:
        return f"{submission.name}: committed as {where}"
    return f"{submission.name}: nothing to commit, it is {where} already"


def _follow(workspace: Workspace, submission: Submission, raw: bytes) -> None:
    """After a merge `git pull` has to work, also where the draft was written into this tree."""
    path = f"experiments/{submission.experiment.name}/experiment.yaml"
    repository = workspace.repository
    following = follow(repository, submission.revision, {path: raw})
    pull = f"`git pull {repository.remote} {repository.branch}`"
    if following.followed:
        console.talk(f"{repository.branch} of this clone is at {submission.revision[:10]} too")
    elif following.removed:
        console.talk(
            f"{', '.join(following.removed)} went from this tree into the commit; {pull} brings it"
        )
