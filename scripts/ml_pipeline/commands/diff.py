"""`ml-pipeline diff`."""

from ml_pipeline.commands import console
from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.commands.options import base, output


def add_arguments(arguments: Arguments) -> None:
    base(arguments)
    output(arguments, "markdown")


def run(options: Options) -> int:
    from ml_pipeline.commands import difference
    from ml_pipeline.operations.diff import diff
    from ml_pipeline.rules.review.comment import comment

    merge = diff(options.repo, options.base, talk=console.talk)
    text = difference.text(merge)
    if options.output == "markdown":
        text = comment(merge.consequences, merge.objects)
    console.answer(difference.as_data(merge), text, options.output)
    return console.FINDINGS if merge else console.OK


COMMAND = Command(
    "diff",
    "show what merging the working tree would do",
    add_arguments,
    run,
    example="diff --base origin/main",
    prints="what trains, what serves, and every object that changes; "
    "exit code 1 where anything does",
)
