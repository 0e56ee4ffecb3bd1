"""`ml-pipeline demo`."""

from ml_pipeline.commands.command import Arguments, Command, Options


def add_arguments(arguments: Arguments) -> None:
    arguments.add_argument("--keep", action="store_true", help="leave it up at the end")


def run(options: Options) -> int:
    from ml_pipeline.operations.demo import demo

    return demo(options.repo, keep=options.keep)


COMMAND = Command(
    "demo",
    "run the whole loop in a temporary clone",
    add_arguments,
    run,
    example="demo",
    prints="each step with the time it took",
)
