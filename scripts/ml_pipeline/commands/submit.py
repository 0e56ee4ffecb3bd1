"""`ml-pipeline submit`."""

from pathlib import Path

from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.commands.options import remote, settings


def add_arguments(arguments: Arguments) -> None:
    arguments.add_argument(
        "draft",
        type=Path,
        metavar="FILE",
        help="the experiment.yaml; image may be missing, it is pinned then",
    )
    settings(arguments, "change a key first, such as parameters.epochs=5")
    arguments.add_argument(
        "--merge",
        action="store_true",
        help="commit on the branch itself instead of a branch for a pull request",
    )
    remote(arguments)


def run(options: Options) -> int:
    from ml_pipeline.operations.submit import submit

    return submit(
        options.repo,
        options.draft,
        settings=tuple(options.set),
        merge=options.merge,
        remote=options.remote,
    )


COMMAND = Command(
    "submit",
    "commit an experiment, for a pull request or merged",
    add_arguments,
    run,
    example="submit experiments/digits-small/experiment.yaml --merge",
    prints="the commit, or that the run is trained already and its receipt is reused",
)
