"""Commands that get a model trained: an experiment is written and committed, merging runs it."""

from pathlib import Path

from ml_pipeline.commands.command import (
    Arguments,
    Command,
    Group,
    Options,
    env,
    remote,
    settings,
)

# ---- new


def _new_arguments(arguments: Arguments) -> None:
    arguments.add_argument("kind", choices=("experiment",), help="what to write")
    arguments.add_argument("name", metavar="NAME", help="name of the experiment, and of its folder")
    arguments.add_argument(
        "--like", required=True, metavar="OTHER", help="experiment to start from"
    )
    settings(arguments, "change a key, such as seed=3")


def _new(options: Options) -> int:
    from ml_pipeline.operations.new import new

    return new(options.repo, options.name, like=options.like, settings=tuple(options.set))


# ---- submit


def _submit_arguments(arguments: Arguments) -> None:
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


def _submit(options: Options) -> int:
    from ml_pipeline.operations.submit import submit

    return submit(
        options.repo,
        options.draft,
        settings=tuple(options.set),
        merge=options.merge,
        remote=options.remote,
    )


# ---- withdraw


def _withdraw_arguments(arguments: Arguments) -> None:
    arguments.add_argument(
        "what",
        metavar="WHAT",
        help="a path on the branch, a run as experiment/id, or the id of data",
    )
    env(arguments)
    remote(arguments)


def _withdraw(options: Options) -> int:
    from ml_pipeline.operations.withdraw import withdraw

    return withdraw(options.repo, options.what, environment=options.env, remote=options.remote)


GROUP = Group(
    "train a model",
    (
        Command(
            "new",
            "write an experiment.yaml like another",
            _new_arguments,
            _new,
            example="new experiment digits-small --like digits-mlp --set parameters.epochs=5",
            prints="the path of what it wrote; nothing is written where it would break a rule",
        ),
        Command(
            "submit",
            "commit an experiment, for a pull request or merged",
            _submit_arguments,
            _submit,
            example="submit experiments/digits-small/experiment.yaml --merge",
            prints="the commit, or that the run is trained already and its receipt is reused",
        ),
        Command(
            "withdraw",
            "take a document or receipt out of the branch",
            _withdraw_arguments,
            _withdraw,
            example="withdraw digits-small/31a4e76e1a",
            prints="the commit, and what follows from it: what trains again, or trains no more",
        ),
    ),
)
