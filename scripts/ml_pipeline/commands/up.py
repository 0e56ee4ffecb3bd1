"""`ml-pipeline up`."""

from ml_pipeline.commands import console
from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.commands.options import env


def add_arguments(arguments: Arguments) -> None:
    env(arguments, "environment with the runtime embedded (default: local)")


def run(options: Options) -> int:
    from ml_pipeline.operations.up import up

    answer = up(options.repo, options.env, talk=console.talk)
    rows = [
        ("MLflow", answer.mlflow),
        ("endpoint", answer.endpoint),
        ("git remote", f"{answer.remote}  ({answer.origin})"),
    ]
    console.result(console.table(rows))
    for line in answer.missing:
        console.talk(line)
    return console.OK


COMMAND = Command(
    "up",
    "start the embedded environment",
    add_arguments,
    run,
    example="up",
    prints="the addresses of MLflow, the endpoint and the git remote",
)
