"""`ml-pipeline cost`."""

from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.commands.options import output


def add_arguments(arguments: Arguments) -> None:
    arguments.add_argument(
        "--accuracy", action="store_true", help="show how good the estimates have been"
    )
    output(arguments)


def run(options: Options) -> int:
    from ml_pipeline.operations.cost import cost

    return cost(options.repo, accuracy=options.accuracy, output=options.output)


COMMAND = Command(
    "cost",
    "show what runs and served models cost",
    add_arguments,
    run,
    example="cost",
    prints="expected time and money, and what is left of each budget; exit code 1 where one does not suffice",
)
