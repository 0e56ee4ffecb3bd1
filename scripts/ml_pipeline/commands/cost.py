"""`ml-pipeline cost`."""

from ml_pipeline.commands import console
from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.commands.options import output


def add_arguments(arguments: Arguments) -> None:
    arguments.add_argument(
        "--accuracy", action="store_true", help="show how good the estimates have been"
    )
    output(arguments)


def run(options: Options) -> int:
    return _accuracy(options) if options.accuracy else _cost(options)


def _cost(options: Options) -> int:
    from ml_pipeline.commands import budgets
    from ml_pipeline.operations.cost import cost

    costs = cost(options.repo)
    console.answer(budgets.as_data(costs), budgets.text(costs), options.output)
    return console.OK if costs.suffice else console.FINDINGS


def _accuracy(options: Options) -> int:
    from ml_pipeline.commands import accuracy as shown
    from ml_pipeline.operations.cost import accuracy

    estimates = accuracy(options.repo)
    console.answer(shown.as_data(estimates), shown.text(estimates), options.output)
    return console.OK


COMMAND = Command(
    "cost",
    "show what runs and served models cost",
    add_arguments,
    run,
    example="cost",
    prints="expected time and money, and what is left of each budget; "
    "exit code 1 where one does not suffice",
)
