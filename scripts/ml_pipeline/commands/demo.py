"""`ml-pipeline demo`."""

from typing import TYPE_CHECKING

from ml_pipeline.commands import console
from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.documents.faults import PipelineError

if TYPE_CHECKING:
    from ml_pipeline.operations.demo import Demonstration


def add_arguments(arguments: Arguments) -> None:
    arguments.add_argument("--keep", action="store_true", help="leave it up at the end")


def run(options: Options) -> int:
    from ml_pipeline.operations.demo import demo

    shown = demo(options.repo, keep=options.keep, talk=console.talk)
    # Before the refusal: the timeline is where one sees in which step requests were lost.
    _report(shown)
    if shown.failures:
        raise PipelineError(
            f"{len(shown.failures)} requests failed, the first with {shown.failures[0]}; "
            "this must not happen, please report it"
        )
    if options.keep:
        stop = f"`ml-pipeline down --repo {shown.clone}`"
        console.result(f"up in {shown.clone}; stop it with {stop}")
        console.result(shown.addresses)
        console.result(shown.status)
    else:
        console.result("nothing is left running; `make demo KEEP=1` leaves it up to look around")
    return console.OK


def _report(shown: "Demonstration") -> None:
    for answer in shown.answers:
        console.result(f"$ ml-pipeline {answer.command}\n{answer.text}\n")
    rows = [("   TOOK", "STEP", "RESULT")]
    rows += [(f"{step.seconds:6.1f} s", step.what, step.result) for step in shown.timeline]
    console.result(console.table(rows))
    requests = f"{len(shown.failures)} of {shown.sent} requests failed"
    console.result(
        f"{shown.seconds:6.1f} s  in all; {requests} from the first promotion to the end"
    )


COMMAND = Command(
    "demo",
    "run the whole loop in a temporary clone",
    add_arguments,
    run,
    example="demo",
    prints="each step with the time it took",
)
