"""`ml-pipeline compare`."""

from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.commands.options import output, sort


def add_arguments(arguments: Arguments) -> None:
    arguments.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help="experiment/id, an experiment for its newest run, or a pattern such as 'sweep-*' or 'sweep-*/*'",
    )
    sort(arguments, "")
    output(arguments)


def run(options: Options) -> int:
    from ml_pipeline.operations.provenance import compare

    return compare(
        options.repo,
        tuple(options.runs),
        sort=options.sort,
        reverse=options.reverse,
        output=options.output,
    )


COMMAND = Command(
    "compare",
    "show runs side by side",
    add_arguments,
    run,
    example="compare 'digits-*' --sort holdout_accuracy",
    prints="what differs in what decided the runs, and what came of them",
)
