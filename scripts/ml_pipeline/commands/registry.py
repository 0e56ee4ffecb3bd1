"""`ml-pipeline registry`."""

from ml_pipeline.commands import console
from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.commands.options import env, remote


def add_arguments(arguments: Arguments) -> None:
    arguments.add_argument(
        "action", choices=("rebuild", "verify"), help="write what differs, or only name it"
    )
    env(arguments, "environment whose MLflow is meant (default: local)")
    remote(arguments)


def run(options: Options) -> int:
    from ml_pipeline.operations.registry import rebuild, verify

    is_verify = options.action == "verify"
    act = verify if is_verify else rebuild
    lines = act(options.repo, options.env, remote=options.remote)
    for line in lines:
        console.result(line)
    if not lines:
        console.result("MLflow says what git says")
    return console.FINDINGS if lines and is_verify else console.OK


COMMAND = Command(
    "registry",
    "bring MLflow's registry to what git says, or compare",
    add_arguments,
    run,
    example="registry verify",
    prints="what it writes, or what differs; exit code 1 where `verify` finds any",
)
