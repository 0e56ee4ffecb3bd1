"""`ml-pipeline init`: the few facts that make the template a team's own, asked once and written where they belong."""

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from ml_pipeline.adapters.files import write_changes
from ml_pipeline.adapters.git.revisions import open_tree
from ml_pipeline.commands import console
from ml_pipeline.documents.changes import Changes, applied
from ml_pipeline.documents.edit import Setting, edited
from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.receipts import DataVersion, Run
from ml_pipeline.documents.snapshot import Files, Snapshot
from ml_pipeline.operations.render import describe
from ml_pipeline.rules.render.drift import drift
from ml_pipeline.rules.review.faults import checked_snapshot

_QUESTIONS = {
    "url": "Address of this repository, as Flux fetches it",
    "registry": "Registry and folder of the images, such as registry.example.com/ml",
    "environments": "Environments on Kubernetes, separated by commas",
}
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?")


def init(
    repo: Path,
    *,
    url: str | None = None,
    registry: str | None = None,
    environments: str | None = None,
    dry_run: bool = False,
) -> int:
    """Write the facts into each environment.yaml, add, rename and remove environments, and render; what is not given is asked.

    A new environment takes the place of one that is no longer named, in the order in which they promote; experiments
    that have no receipt yet move there.

    Raises:
        PipelineError: a fact is missing and there is nobody to ask.
        InvalidDocumentsError: a document would break a rule, such as an experiment of a removed environment; nothing is written.
    """
    files = open_tree(repo)
    snapshot = Snapshot(files)
    known = _on_kubernetes(snapshot)
    first = next(iter(known.values()))
    given = {"url": url, "registry": registry, "environments": environments}
    facts = _asked(given, first, known)
    wanted = _names(facts["environments"])
    gone = [name for name in known if name not in wanted]
    successors = dict(zip(gone, (name for name in wanted if name not in known), strict=False))
    after = dict(_kept(files, set(gone))) | _moved(snapshot, successors)
    predecessors = {new: old for old, new in successors.items()}
    for name in wanted:
        model = known.get(predecessors.get(name, name), first)
        path = f"environments/{name}/environment.yaml"
        text = files[f"environments/{model.name}/environment.yaml"].decode()
        origins = [successors.get(origin, origin) for origin in model.promotes_from]
        origins = [origin for origin in origins if origin in wanted and origin != name]
        after[path] = _written(text, model, name, facts, origins).encode()
    rendered = applied(after, drift(checked_snapshot(after)))
    changes = Changes(
        {p: raw for p, raw in rendered.items() if files.get(p) != raw},
        frozenset(set(files) - set(rendered)),
    )
    console.result(
        describe(changes) if changes else "nothing to write, these are the facts already"
    )
    if not dry_run:
        write_changes(repo, changes)
    return console.OK


def _on_kubernetes(snapshot: Snapshot) -> dict[str, Environment]:
    """Environments on Kubernetes by name, those that others promote from before these."""
    found = [facts for facts in snapshot.environments.values() if facts.runtime == "kubernetes"]
    if not found:
        raise PipelineError(
            "there is no environment on Kubernetes to start from; restore environments/staging from git"
        )
    ordered: dict[str, Environment] = {}
    while len(ordered) < len(found):
        left = [facts for facts in found if facts.name not in ordered]
        waiting = {facts.name for facts in left}
        free = [facts for facts in left if not waiting & set(facts.promotes_from)]
        ordered |= {facts.name: facts for facts in free or left}
    return ordered


def _names(text: str) -> list[str]:
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    for name in wanted:
        if not _NAME.fullmatch(name):
            raise PipelineError(
                f"environment {name!r} must be lower-case letters, digits and '-', at most 30; rename it"
            )
    return wanted


def _moved(snapshot: Snapshot, successors: Mapping[str, str]) -> dict[str, bytes]:
    """Experiments of environments that get another name, but for those that have receipts: these say where they ran."""
    moved = {}
    receipts = (*snapshot.paths.get(Run, []), *snapshot.paths.get(DataVersion, []))
    settled = {path.split("/")[1] for path in receipts}
    for name, experiment in snapshot.experiments.items():
        new = successors.get(experiment.environment)
        if new and name not in settled:
            path = f"experiments/{name}/experiment.yaml"
            setting = Setting(("environment",), new, f"environment={new}")
            moved[path] = edited(path, snapshot.files[path], setting)
            console.talk(
                f"{name} trains in {new}, which takes the place of {experiment.environment}"
            )
    return moved


def _asked(
    given: Mapping[str, str | None], first: Environment, known: Iterable[str]
) -> dict[str, str]:
    """The facts, those that are not given from whoever sits at the terminal; Enter keeps what is there."""
    there = {
        "url": first.source.url if first.source else "",
        "registry": _registry(first),
        "environments": ",".join(known),
    }
    missing = [name for name, value in given.items() if value is None]
    if missing and not sys.stdin.isatty():
        raise PipelineError(
            f"nobody to ask for {', '.join(missing)}; give {' '.join(f'--{name}' for name in missing)}"
        )
    answers = {name: value for name, value in given.items() if value is not None}
    for name in missing:
        console.talk(f"{_QUESTIONS[name]} [{there[name]}]:")
        answers[name] = sys.stdin.readline().strip() or there[name]
    return answers


def _kept(files: Files, gone: set[str]) -> Iterable[tuple[str, bytes]]:
    return (
        (path, files[path])
        for path in files
        if not (path.startswith("environments/") and path.split("/")[1] in gone)
    )


def _written(
    text: str, model: Environment, name: str, facts: Mapping[str, str], origins: list[str]
) -> str:
    """The text of an environment.yaml with other facts; comments and layout stay."""
    if name != model.name:
        text = re.sub(rf"\b{re.escape(model.name)}\b", name, text)
        for old in (model.namespaces.platform, model.namespaces.training, model.namespaces.serving):
            if not old.startswith(model.name):
                text = text.replace(old, f"{name}-{old.rpartition('-')[2]}")
    if model.source:
        text = text.replace(model.source.url, facts["url"])
    text = text.replace(f"{_registry(model)}/", f"{facts['registry'].rstrip('/')}/")
    line = f"promotes_from: [{', '.join(origins)}]\n" if origins else ""
    return re.sub(r"^promotes_from:.*\n", line, text, flags=re.MULTILINE)


def _registry(environment: Environment) -> str:
    return environment.images.trainer.repository.rpartition("/")[0]
