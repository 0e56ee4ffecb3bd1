"""`ml-pipeline init`: the few facts that make the template a team's own, asked once and written where they belong."""

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from ml_pipeline.adapters.files import write_changes
from ml_pipeline.adapters.revisions import open_tree
from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.snapshot import Files, Snapshot
from ml_pipeline.rules.checks import checked
from ml_pipeline.rules.render import Changes, applied, drift
from ml_pipeline.verbs import console
from ml_pipeline.verbs.render import describe

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
    """Write the facts into each environment.yaml, add and remove environments, and render; what is not given is asked.

    Raises:
        PipelineError: a fact is missing and there is nobody to ask.
        InvalidDocumentsError: a document would break a rule, such as an experiment of a removed environment; nothing is written.
    """
    files = open_tree(repo)
    known = {
        name: facts
        for name, facts in Snapshot(files).environments.items()
        if facts.runtime == "kubernetes"
    }
    if not known:
        raise PipelineError(
            "there is no environment on Kubernetes to start from; restore environments/staging from git"
        )
    facts = _asked(
        {"url": url, "registry": registry, "environments": environments},
        next(iter(known.values())),
        known,
    )
    wanted = [name.strip() for name in facts["environments"].split(",") if name.strip()]
    for name in wanted:
        if not _NAME.fullmatch(name):
            raise PipelineError(
                f"environment {name!r} must be lower-case letters, digits and '-', at most 30; rename it"
            )
    after = dict(_kept(files, set(known) - set(wanted)))
    for name in wanted:
        model = known.get(name) or next(iter(known.values()))
        path = f"environments/{name}/environment.yaml"
        text = files[f"environments/{model.name}/environment.yaml"].decode()
        after[path] = _written(text, model, name, facts, wanted).encode()
    rendered = applied(after, drift(checked(after)))
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
    text: str, model: Environment, name: str, facts: Mapping[str, str], wanted: list[str]
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
    origins = [origin for origin in model.promotes_from if origin in wanted and origin != name]
    line = f"promotes_from: [{', '.join(origins)}]\n" if origins else ""
    return re.sub(r"^promotes_from:.*\n", line, text, flags=re.MULTILINE)


def _registry(environment: Environment) -> str:
    return environment.images.trainer.repository.rpartition("/")[0]
