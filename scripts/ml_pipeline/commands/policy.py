"""`ml-pipeline policy`."""

from ml_pipeline.commands import console
from ml_pipeline.commands.command import Command, Options
from ml_pipeline.commands.options import output


def run(options: Options) -> int:
    from ml_pipeline.operations.policy import policy

    judgement = policy(options.repo)
    faults = [str(fault) for fault in judgement.faults]
    text = "\n".join(console.coloured(fault, "red") for fault in faults)
    console.answer(
        {"objects": judgement.objects, "faults": faults},
        text or f"{judgement.objects} objects pass every policy",
        options.output,
    )
    return console.FINDINGS if faults else console.OK


COMMAND = Command(
    "policy",
    "evaluate the cluster's policies on what is rendered",
    output,
    run,
    example="policy",
    prints="the message of each policy that would refuse an object; exit code 1 with any",
)
