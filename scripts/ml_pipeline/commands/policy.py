"""`ml-pipeline policy`."""

from ml_pipeline.commands.command import Command, Options
from ml_pipeline.commands.options import output


def run(options: Options) -> int:
    from ml_pipeline.operations.policy import policy

    return policy(options.repo, output=options.output)


COMMAND = Command(
    "policy",
    "evaluate the cluster's policies on what is rendered",
    output,
    run,
    example="policy",
    prints="the message of each policy that would refuse an object; exit code 1 with any",
)
