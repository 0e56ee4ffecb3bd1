"""`ml-pipeline init`."""

import sys
from typing import TYPE_CHECKING

from ml_pipeline.commands import console
from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.documents.faults import PipelineError

if TYPE_CHECKING:
    from ml_pipeline.operations.init import TeamFacts

_QUESTIONS = {
    "url": "Address of this repository, as Flux fetches it",
    "registry": "Registry and folder of the images, such as registry.example.com/ml",
    "environments": "Environments on Kubernetes, separated by commas",
}


def add_arguments(arguments: Arguments) -> None:
    arguments.add_argument(
        "--url", help="address of this repository, as Flux fetches it (default: asked)"
    )
    arguments.add_argument("--registry", help="registry and folder of the images (default: asked)")
    arguments.add_argument(
        "--environments", metavar="NAME,NAME", help="environments on Kubernetes (default: asked)"
    )
    arguments.add_argument("--dry-run", action="store_true", help="only print the plan")


def run(options: Options) -> int:
    from ml_pipeline.commands.changes import described
    from ml_pipeline.operations.init import init

    changes = init(options.repo, _facts(options), dry_run=options.dry_run, talk=console.talk)
    unchanged = "nothing to write, these are the facts already"
    console.result(described(changes) if changes else unchanged)
    return console.OK


def _facts(options: Options) -> "TeamFacts":
    """The facts, those that are not given from whoever sits at the terminal."""
    from ml_pipeline.operations.init import TeamFacts, team_facts

    given = {name: getattr(options, name) for name in _QUESTIONS}
    missing = [name for name, value in given.items() if value is None]
    if missing:
        # First, since a tree without such facts is what is wrong, whoever sits there.
        now = team_facts(options.repo)
        _refuse_to_ask_nobody(missing)
        current = {
            "url": now.url,
            "registry": now.registry,
            "environments": ",".join(now.environments),
        }
        for name in missing:
            given[name] = _answer(_QUESTIONS[name], current[name])
    return TeamFacts(given["url"], given["registry"], _names(given["environments"]))


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _refuse_to_ask_nobody(missing: list[str]) -> None:
    if not sys.stdin.isatty():
        options = " ".join(f"--{name}" for name in missing)
        raise PipelineError(f"nobody to ask for {', '.join(missing)}; give {options}")


def _answer(question: str, current: str) -> str:
    """What a person types; Enter keeps what is so now."""
    console.talk(f"{question} [{current}]:")
    return sys.stdin.readline().strip() or current


COMMAND = Command(
    "init",
    "write the facts that make the template your own",
    add_arguments,
    run,
    example=(
        "init --url https://github.com/you/models --registry ghcr.io/you "
        "--environments staging,production"
    ),
    prints="the files that it writes and deletes",
)
