"""`ml-pipeline schemas`."""

from ml_pipeline.commands import console
from ml_pipeline.commands.command import Command, Options
from ml_pipeline.commands.options import check


def run(options: Options) -> int:
    from ml_pipeline.adapters.files import write_changes
    from ml_pipeline.commands import changes
    from ml_pipeline.operations.schemas import plan

    stale = plan(options.repo)
    console.result(changes.described(stale) if stale else "schemas are current")
    if options.check:
        return console.FINDINGS if stale else console.OK
    write_changes(options.repo, stale)
    return console.OK


COMMAND = Command(
    "schemas",
    "write the JSON Schemas that editors use, and docs/reference.md",
    check,
    run,
    example="schemas --check",
    prints="the files that it writes; exit code 1 where --check finds any",
)
