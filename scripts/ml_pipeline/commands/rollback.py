"""`ml-pipeline rollback`."""

from typing import TYPE_CHECKING

from ml_pipeline.commands import console
from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.commands.options import env, remote

if TYPE_CHECKING:
    from ml_pipeline.operations.rollback import Outlook


def add_arguments(arguments: Arguments) -> None:
    arguments.add_argument("model", metavar="MODEL", help="model whose promotion is taken back")
    env(arguments)
    arguments.add_argument(
        "--dry-run", action="store_true", help="only print what it would bring back"
    )
    remote(arguments)


def run(options: Options) -> int:
    from ml_pipeline.operations.rollback import rollback

    back = rollback(
        options.repo,
        options.model,
        environment=options.env,
        remote=options.remote,
        dry_run=options.dry_run,
    )
    where, then = f"{back.model} in {back.environment}", _serves(back.outlook)
    if back.revision is None:
        console.result(f"{where}: would take out {back.left.title}; {then}")
        for path in sorted({*back.changes.write, *back.changes.delete}):
            console.talk(f"  {path}")
        return console.OK
    committed = f"committed as {back.revision[:10]}"
    console.result(f"{where}: took out {back.left.title}; {then}; {committed}")
    return console.OK


def _serves(outlook: "Outlook") -> str:
    if outlook.unknown:
        return f"what serves then is not known: {outlook.unknown}"
    if not outlook.weights:
        return "nothing serves it any more"
    weights = ", ".join(f"{weight} % {run}" for run, weight in outlook.weights.items())
    return f"serves {weights}"


COMMAND = Command(
    "rollback",
    "bring back the promotion before the newest one",
    add_arguments,
    run,
    example="rollback digits",
    prints="what was reverted, and the commit that does it",
)
