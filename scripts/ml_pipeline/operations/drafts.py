"""A draft: the experiment.yaml that a person hands in, from its bytes to what is committed."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ml_pipeline.adapters.git.code import digest_at, digest_of_tree, revision_of
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.documents.edit import Setting, edited
from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.escape import shown
from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.documents.reader import interpret
from ml_pipeline.documents.source import Source, parse
from ml_pipeline.operations import Talk
from ml_pipeline.operations.workspace import Workspace
from ml_pipeline.rules.review.names import known_environments

TRAINER = "trainer"
ORDER = tuple(Experiment.model_fields)  # where a key that is added to a file stands


@dataclass(frozen=True)
class Draft:
    """An experiment to be committed.

    `source` is what was read, for the places of faults, and `raw` what is committed. `original`
    are the bytes of the person's file, which may lie in this tree; empty where there is no file.
    """

    source: Source
    raw: bytes
    original: bytes = b""

    @cached_property
    def experiment(self) -> Experiment:
        """What is committed, with its faults at the lines of what was read.

        Raises:
            InvalidDocumentsError: with every fault.
        """
        return read_experiment(replace(self.source, data=_parsed(self).data))


def read_draft(path: Path, settings: tuple[str, ...] = ()) -> Draft:
    """The experiment in a file; `settings` such as `parameters.epochs=5` change it.

    Raises:
        PipelineError: the file is not there, or a setting is malformed.
        InvalidDocumentsError: it is no YAML that anybody reads the same way.
    """
    original = _bytes_of(path)
    source = parse(str(path), original)
    if not isinstance(source, Source):
        raise InvalidDocumentsError([source])
    # In the text, so that comments and layout of the file are committed too.
    raw = original
    for setting in settings:
        raw = edited(str(path), raw, Setting.parsed(setting), order=ORDER)
    return Draft(source, raw, original)


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


def with_image(workspace: Workspace, draft: Draft) -> Draft:
    """The draft with the image of its trainer, which decides the identity of its run.

    A missing one is the environment's default, or the trainer of the branch where that is embedded.
    """
    source = _parsed(draft)
    if source.data.get("image") is not None or "environment" not in source.data:
        return draft
    name = source.data["environment"]
    environment = workspace.snapshot.environments.get(name) if isinstance(name, str) else None
    if environment is None:
        # Said here: without an image the reader would ask for that, which is not what is wrong.
        text = (
            f"{shown(name)} does not exist; {known_environments(workspace.snapshot.environments)}"
        )
        raise InvalidDocumentsError([draft.source.fault("environment", text)])
    image = Setting(("image",), _default_image(workspace, environment), "image")
    return replace(draft, raw=edited(source.path, draft.raw, image, order=ORDER))


def check_code(workspace: Workspace, experiment: Experiment, source: Source, talk: Talk) -> None:
    """Say where the code that trains is not the code in the tree.

    On Kubernetes digests are of images: there is nothing to compare.

    Raises:
        InvalidDocumentsError: no commit holds the code that is pinned.
    """
    environment = workspace.snapshot.environments.get(experiment.environment)
    if environment is None or environment.runtime != "embedded":
        return
    # The pinned code first: what no commit holds can never be run, whatever the tree has.
    repository, revision, pinned = workspace.repository, workspace.revision, experiment.image
    try:
        commit = revision_of(repository, revision, TRAINER, pinned)
    except PipelineError as error:
        raise InvalidDocumentsError([source.fault("image", str(error))]) from error
    mine = digest_of_tree(repository, TRAINER)
    if mine is None or mine == pinned:
        return
    talk(
        f"{experiment.name} trains {TRAINER}/ as of {commit[:10]}, not as in this tree; "
        f"{_way_to_train(repository, revision, mine)} submit with --set image={mine}"
    )


def _bytes_of(path: Path) -> bytes:
    if path.is_dir():
        raise PipelineError(f"{path} is a folder; name the experiment.yaml to submit")
    if not path.exists():
        raise PipelineError(f"{path} is not there; name the experiment.yaml to submit")
    return path.read_bytes()


def _parsed(draft: Draft) -> Source:
    """What is committed, parsed; settings and the image keep a file readable."""
    source = parse(draft.source.path, draft.raw)
    assert isinstance(source, Source)
    return source


def _default_image(workspace: Workspace, environment: Environment) -> str:
    digest = environment.images.trainer.digest
    return digest or digest_at(workspace.repository, workspace.revision, TRAINER)


def _way_to_train(repository: Repository, revision: str, digest: str) -> str:
    """What comes before `submit` for code in the tree: nothing where the branch has it already."""
    try:
        revision_of(repository, revision, TRAINER, digest)
    except PipelineError:
        return f"to train yours, commit and merge {TRAINER}/ first, then"
    return "to train yours"
