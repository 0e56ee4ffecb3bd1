"""The few facts that make the template a team's own, written where they belong."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ml_pipeline.adapters.files import write_changes
from ml_pipeline.adapters.git.working_tree import open_tree
from ml_pipeline.documents.changes import Changes, applied, differing
from ml_pipeline.documents.edit import Setting, edited
from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.receipts import DataVersion, Run
from ml_pipeline.documents.snapshot import Files, Snapshot
from ml_pipeline.layout import ENVIRONMENTS, environment_path, experiment_path, owner_of
from ml_pipeline.operations import Talk, silent
from ml_pipeline.rules.render.drift import drift
from ml_pipeline.rules.review.faults import checked_snapshot

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?")


@dataclass(frozen=True)
class TeamFacts:
    """What a team decides: the repository's address, the images' registry, its environments."""

    url: str
    registry: str
    environments: tuple[str, ...]


@dataclass(frozen=True)
class _Move:
    """Which environments there are to be, and which of them take the place of another.

    `known` are those that there are, those that others promote from before these; `successors` name
    the new one for an old one.
    """

    known: Mapping[str, Environment]
    wanted: tuple[str, ...]
    successors: Mapping[str, str]

    @property
    def gone(self) -> set[str]:
        """The environments that are named no longer."""
        return {name for name in self.known if name not in self.wanted}

    def model_of(self, name: str) -> Environment:
        """The environment that one is made from: itself, the one whose place it takes, or any."""
        for old, new in self.successors.items():
            if new == name:
                return self.known[old]
        return self.known.get(name) or next(iter(self.known.values()))

    def origins_of(self, name: str) -> list[str]:
        """The environments that one promotes from."""
        origins = []
        for old in self.model_of(name).promotes_from:
            origin = self.successors.get(old, old)
            if origin in self.wanted and origin != name:
                origins.append(origin)
        return origins


def team_facts(repo: Path) -> TeamFacts:
    """The facts as they are.

    Raises:
        PipelineError: there is no environment on Kubernetes that could have them.
    """
    known = _on_kubernetes(Snapshot(open_tree(repo)))
    first = next(iter(known.values()))
    return TeamFacts(first.source.url if first.source else "", _registry(first), tuple(known))


def init(repo: Path, facts: TeamFacts, *, dry_run: bool = False, talk: Talk = silent) -> Changes:
    """Write the facts into each environment.yaml, add, rename and remove environments, and render.

    A new environment takes the place of one that is no longer named, in the order in which they
    promote; experiments that have no receipt yet move there. What is written is the answer.

    Raises:
        PipelineError: a name is none for an environment.
        InvalidDocumentsError: a document would break a rule, such as an experiment of a removed
            environment; nothing is written.
    """
    files = open_tree(repo)
    snapshot = Snapshot(files)
    move = _move(_on_kubernetes(snapshot), _checked_names(facts.environments))
    after = _kept(files, move.gone) | _moved_experiments(snapshot, move.successors, talk)
    for name in move.wanted:
        model = move.model_of(name)
        text = files[environment_path(model.name)].decode()
        text = _with_facts(_renamed(text, model, name), model, facts)
        after[environment_path(name)] = _with_origins(text, move.origins_of(name)).encode()
    # Computed whole, and written only then: a fault leaves the tree as it was.
    rendered = applied(after, drift(checked_snapshot(after)))
    changes = Changes(
        differing(files, rendered),
        frozenset(set(files) - set(rendered)),
    )
    if not dry_run:
        write_changes(repo, changes)
    return changes


def _move(known: Mapping[str, Environment], wanted: tuple[str, ...]) -> _Move:
    gone = [name for name in known if name not in wanted]
    new = [name for name in wanted if name not in known]
    # As many as there are on both sides; further ones come or go without a counterpart.
    return _Move(known, wanted, dict(zip(gone, new, strict=False)))


def _on_kubernetes(snapshot: Snapshot) -> dict[str, Environment]:
    """Environments on Kubernetes by name, those that others promote from before these."""
    left = {}
    for facts in snapshot.environments.values():
        if facts.runtime == "kubernetes":
            left[facts.name] = facts
    if not left:
        raise PipelineError(
            "there is no environment on Kubernetes to start from; "
            "restore environments/staging from git"
        )
    ordered: dict[str, Environment] = {}
    while left:
        free = [name for name, facts in left.items() if not left.keys() & set(facts.promotes_from)]
        # Where they promote from each other in a circle, none is free: the order is then theirs.
        for name in free or list(left):
            ordered[name] = left.pop(name)
    return ordered


def _checked_names(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not _NAME.fullmatch(name):
            raise PipelineError(
                f"environment {name!r} must be lower-case letters, digits and '-', at most 30; "
                "rename it"
            )
    return names


def _kept(files: Files, gone: set[str]) -> dict[str, bytes]:
    """All files but those of environments that are gone."""
    kept = {}
    for path in files:
        if not (path.startswith(f"{ENVIRONMENTS}/") and owner_of(path) in gone):
            kept[path] = files[path]
    return kept


def _moved_experiments(
    snapshot: Snapshot, successors: Mapping[str, str], talk: Talk
) -> dict[str, bytes]:
    """Experiments of environments that get another name.

    Those that have receipts stay: these say where they ran.
    """
    moved = {}
    receipts = (*snapshot.paths.get(Run, []), *snapshot.paths.get(DataVersion, []))
    settled = {owner_of(path) for path in receipts}
    for name, experiment in snapshot.experiments.items():
        new = successors.get(experiment.environment)
        if new and name not in settled:
            path = experiment_path(name)
            setting = Setting(("environment",), new, f"environment={new}")
            moved[path] = edited(path, snapshot.files[path], setting)
            talk(f"{name} trains in {new}, which takes the place of {experiment.environment}")
    return moved


def _renamed(text: str, model: Environment, name: str) -> str:
    """The text of an environment.yaml as that of another one; comments and layout stay."""
    if name == model.name:
        return text
    # The whole word: `dev` is not to change `devices`.
    text = re.sub(rf"\b{re.escape(model.name)}\b", name, text)
    for old in (model.namespaces.platform, model.namespaces.training, model.namespaces.serving):
        # Two environments in one namespace would apply over each other.
        if not old.startswith(model.name):
            text = text.replace(old, f"{name}-{old.rpartition('-')[2]}")
    return text


def _with_facts(text: str, model: Environment, facts: TeamFacts) -> str:
    # In the text, and not as data: comments and the order of keys are the team's.
    if model.source:
        text = text.replace(model.source.url, facts.url)
    return text.replace(f"{_registry(model)}/", f"{facts.registry.rstrip('/')}/")


def _with_origins(text: str, origins: list[str]) -> str:
    # Always rewritten: an environment that is gone must not be named in another.
    line = f"promotes_from: [{', '.join(origins)}]\n" if origins else ""
    return re.sub(r"^promotes_from:.*\n", line, text, flags=re.MULTILINE)


def _registry(environment: Environment) -> str:
    return environment.images.trainer.repository.rpartition("/")[0]
