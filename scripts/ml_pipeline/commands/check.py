"""Commands that answer before a merge: what breaks a rule, what would run, what it would cost."""

from pathlib import Path

from ml_pipeline.commands.command import Arguments, Command, Group, Options, output

# ---- validate


def _validate_arguments(arguments: Arguments) -> None:
    arguments.add_argument(
        "files",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="only these, and what they refer to (default: all)",
    )
    output(arguments)


def _validate(options: Options) -> int:
    from ml_pipeline.operations.validate import validate

    return validate(options.repo, options.files, output=options.output)


# ---- render


def _render_arguments(arguments: Arguments) -> None:
    _check(arguments)
    arguments.add_argument("--dry-run", action="store_true", help="only print the plan")
    output(arguments)


def _check(arguments: Arguments) -> None:
    arguments.add_argument(
        "--check", action="store_true", help="only say what differs; exit 1 if anything does"
    )


def _render(options: Options) -> int:
    from ml_pipeline.operations.render import render

    return render(options.repo, check=options.check, dry_run=options.dry_run, output=options.output)


# ---- diff


def _diff_arguments(arguments: Arguments) -> None:
    _base(arguments)
    output(arguments, "markdown")


def _base(arguments: Arguments) -> None:
    arguments.add_argument(
        "--base",
        default="origin/main",
        metavar="REV",
        help="revision to compare with (default: origin/main)",
    )


def _diff(options: Options) -> int:
    from ml_pipeline.operations.diff import diff

    return diff(options.repo, options.base, output=options.output)


# ---- cost


def _cost_arguments(arguments: Arguments) -> None:
    arguments.add_argument(
        "--accuracy", action="store_true", help="show how good the estimates have been"
    )
    output(arguments)


def _cost(options: Options) -> int:
    from ml_pipeline.operations.cost import cost

    return cost(options.repo, accuracy=options.accuracy, output=options.output)


# ---- policy


def _policy(options: Options) -> int:
    from ml_pipeline.operations.policy import policy

    return policy(options.repo, output=options.output)


# ---- review


def _review_arguments(arguments: Arguments) -> None:
    _base(arguments)
    arguments.add_argument(
        "--head",
        metavar="REV",
        help="review this revision by git's objects alone (default: the working tree)",
    )
    arguments.add_argument(
        "--comment", type=Path, metavar="FILE", help="write the comment there too"
    )
    arguments.add_argument(
        "--annotations",
        action="store_true",
        help="print findings as annotations of GitHub Actions, to stderr",
    )
    output(arguments, "markdown")


def _review(options: Options) -> int:
    from ml_pipeline.operations.review import Merge, review

    return review(
        options.repo,
        Merge(options.base, options.head),
        comment_file=options.comment,
        annotations=options.annotations,
        output=options.output,
    )


GROUP = Group(
    "check before a merge",
    (
        Command(
            "validate",
            "check every document",
            _validate_arguments,
            _validate,
            example="validate experiments/digits-mlp/experiment.yaml",
            prints="every fault with its file, line and repair; exit code 2 with any",
        ),
        Command(
            "render",
            "write the overlays that follow from the documents",
            _render_arguments,
            _render,
            example="render --check",
            prints="the files that it writes and deletes; exit code 1 where --check finds any",
        ),
        Command(
            "diff",
            "show what merging the working tree would do",
            _diff_arguments,
            _diff,
            example="diff --base origin/main",
            prints="what trains, what serves, and every object that changes; exit code 1 where anything does",
        ),
        Command(
            "cost",
            "show what runs and served models cost",
            _cost_arguments,
            _cost,
            example="cost",
            prints="expected time and money, and what is left of each budget; exit code 1 where one does not suffice",
        ),
        Command(
            "policy",
            "evaluate the cluster's policies on what is rendered",
            output,
            _policy,
            example="policy",
            prints="the message of each policy that would refuse an object; exit code 1 with any",
        ),
        Command(
            "review",
            "check everything that a merge would change, for one comment",
            _review_arguments,
            _review,
            example="review --output markdown",
            prints="the comment of a pull request; exit code 1 with findings, 3 where a check crashed",
        ),
    ),
)
