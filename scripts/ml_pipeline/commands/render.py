"""`ml-pipeline render`."""

from ml_pipeline.commands import console
from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.commands.options import check, output


def add_arguments(arguments: Arguments) -> None:
    check(arguments)
    arguments.add_argument("--dry-run", action="store_true", help="only print the plan")
    output(arguments)


def run(options: Options) -> int:
    from ml_pipeline.adapters.files import write_changes
    from ml_pipeline.commands import changes
    from ml_pipeline.operations.render import plan

    rendering = plan(options.repo)
    note = "stale, run `ml-pipeline render`" if options.check else ""
    text = changes.with_strays(rendering.changes, rendering.strays, note)
    data = {**changes.as_data(rendering.changes), "stray": rendering.strays}
    console.answer(data, text, options.output)
    # Printed first: whoever sees the disk fill up then knows what was to be written.
    if not options.check and not options.dry_run:
        write_changes(options.repo, rendering.changes)
    is_stale = options.check and rendering.changes
    return console.FINDINGS if is_stale or rendering.strays else console.OK


COMMAND = Command(
    "render",
    "write the overlays that follow from the documents",
    add_arguments,
    run,
    example="render --check",
    prints="the files that it writes and deletes; exit code 1 where --check finds any",
)
