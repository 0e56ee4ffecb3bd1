"""`ml-pipeline new`."""

from ml_pipeline.commands import console
from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.commands.options import settings


def add_arguments(arguments: Arguments) -> None:
    arguments.add_argument("kind", choices=("experiment",), help="what to write")
    arguments.add_argument("name", metavar="NAME", help="name of the experiment, and of its folder")
    arguments.add_argument(
        "--like", required=True, metavar="OTHER", help="experiment to start from"
    )
    settings(arguments, "change a key, such as seed=3")


def run(options: Options) -> int:
    from ml_pipeline.operations.new import new

    made = new(options.repo, options.name, like=options.like, settings=tuple(options.set))
    console.result(f"wrote {made.path}; edit it, then `ml-pipeline render` and `ml-pipeline diff`")
    return console.OK


COMMAND = Command(
    "new",
    "write an experiment.yaml like another",
    add_arguments,
    run,
    example="new experiment digits-small --like digits-mlp --set parameters.epochs=5",
    prints="the path of what it wrote; nothing is written where it would break a rule",
)
