"""`ml-pipeline withdraw`."""

from ml_pipeline.commands import console
from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.commands.options import env, remote


def add_arguments(arguments: Arguments) -> None:
    arguments.add_argument(
        "what",
        metavar="WHAT",
        help="a path on the branch, a run as experiment/id, or the id of data",
    )
    env(arguments)
    remote(arguments)


def run(options: Options) -> int:
    from ml_pipeline.operations.withdraw import withdraw

    gone = withdraw(
        options.repo,
        options.what,
        environment=options.env,
        remote=options.remote,
        talk=console.talk,
    )
    console.result(f"withdrew {gone.path} as {gone.revision[:10]}; {gone.consequence}")
    return console.OK


COMMAND = Command(
    "withdraw",
    "take a document or receipt out of the branch",
    add_arguments,
    run,
    example="withdraw digits-small/31a4e76e1a",
    prints="the commit, and what follows from it: what trains again, or trains no more",
)
