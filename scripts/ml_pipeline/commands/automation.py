"""Commands that machines run more often than people: after a merge, and in workflows."""

from pathlib import Path

from ml_pipeline.commands.command import (
    Arguments,
    Command,
    Group,
    Options,
    cluster,
    cluster_of,
    env,
    remote,
)

# ---- reconcile


def _reconcile_arguments(arguments: Arguments) -> None:
    env(arguments, "environment to observe (default: local)")
    arguments.add_argument(
        "--state",
        type=Path,
        metavar="DIR",
        help="state folder of the embedded environment, or of a bridge (default: that of the checkout)",
    )
    cluster(arguments)
    arguments.add_argument(
        "--clone",
        metavar="URL",
        help="work in a clone of this address, as a Deployment does; with credentials that are mounted",
    )
    arguments.add_argument(
        "--branch", default="main", metavar="NAME", help="branch of --clone (default: main)"
    )
    arguments.add_argument(
        "--credentials",
        type=Path,
        default=Path("/credentials"),
        metavar="DIR",
        help="for --clone: a Secret with identity and known_hosts, or password (default: /credentials)",
    )
    arguments.add_argument(
        "--work",
        type=Path,
        default=Path("/work"),
        metavar="DIR",
        help="for --clone: where clone and heartbeat are kept (default: /work)",
    )
    passes = arguments.add_mutually_exclusive_group()
    passes.add_argument(
        "--once",
        dest="passes",
        action="store_const",
        const="once",
        default="endless",
        help="one pass",
    )
    passes.add_argument(
        "--dry-run",
        dest="passes",
        action="store_const",
        const="plan",
        help="one pass that only prints the plan",
    )


def _reconcile(options: Options) -> int:
    from ml_pipeline.operations.reconcile import Unattended, reconcile, reconcile_unattended

    if options.clone:
        how = Unattended(options.clone, options.branch, options.credentials, options.work)
        return reconcile_unattended(
            options.env, how, cluster=cluster_of(options), passes=options.passes
        )
    return reconcile(
        options.repo,
        options.env,
        state=options.state,
        cluster=cluster_of(options),
        passes=options.passes,
    )


# ---- registry


def _registry_arguments(arguments: Arguments) -> None:
    arguments.add_argument(
        "action", choices=("rebuild", "verify"), help="write what differs, or only name it"
    )
    env(arguments, "environment whose MLflow is meant (default: local)")
    remote(arguments)


def _registry(options: Options) -> int:
    from ml_pipeline.operations.registry import registry

    return registry(options.repo, options.env, options.action, remote=options.remote)


# ---- comment


def _comment_arguments(arguments: Arguments) -> None:
    arguments.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="what review wrote; where it is not there, the comment says so",
    )
    arguments.add_argument(
        "--repository", required=True, metavar="OWNER/NAME", help="repository on GitHub"
    )
    arguments.add_argument(
        "--pull-request", required=True, type=int, metavar="NUMBER", help="its number"
    )
    arguments.add_argument(
        "--head",
        required=True,
        metavar="SHA",
        help="commit that was reviewed; any other gets no comment",
    )
    arguments.add_argument(
        "--run", default="", metavar="URL", help="where the log of the checks is"
    )


def _comment(options: Options) -> int:
    from ml_pipeline.operations.comment import comment

    return comment(
        options.file,
        repository=options.repository,
        pull_request=options.pull_request,
        head=options.head,
        run=options.run,
    )


# ---- schemas


def _schemas_arguments(arguments: Arguments) -> None:
    arguments.add_argument(
        "--check", action="store_true", help="only say what differs; exit 1 if anything does"
    )


def _schemas(options: Options) -> int:
    from ml_pipeline.operations.schemas import schemas

    return schemas(options.repo, check=options.check)


# ---- image


def _image_arguments(arguments: Arguments) -> None:
    from ml_pipeline.adapters.git.code import IMAGES

    arguments.add_argument("name", choices=IMAGES, help="whose code")
    arguments.add_argument(
        "--revision",
        default="HEAD",
        metavar="REV",
        help="revision whose code is meant (default: HEAD)",
    )


def _image(options: Options) -> int:
    from ml_pipeline.operations.image import image

    return image(options.repo, options.name, revision=options.revision)


GROUP = Group(
    "automate",
    (
        Command(
            "reconcile",
            "commit receipts, rollout steps and verdicts",
            _reconcile_arguments,
            _reconcile,
            example="reconcile --dry-run",
            prints="each commit with its reason, and what is held and why",
        ),
        Command(
            "registry",
            "bring MLflow's registry to what git says, or compare",
            _registry_arguments,
            _registry,
            example="registry verify",
            prints="what it writes, or what differs; exit code 1 where `verify` finds any",
        ),
        Command(
            "comment",
            "post the comment that review wrote on its pull request",
            _comment_arguments,
            _comment,
            example="comment review.md --repository you/models --pull-request 7 --head $SHA",
            prints="where the comment is",
        ),
        Command(
            "schemas",
            "write the JSON Schemas that editors use, and docs/reference.md",
            _schemas_arguments,
            _schemas,
            example="schemas --check",
            prints="the files that it writes; exit code 1 where --check finds any",
        ),
        Command(
            "image",
            "print the digest that pins the code of an image",
            _image_arguments,
            _image,
            example="image trainer",
            prints="one digest, for `image:` of an experiment or `images:` of an environment",
        ),
    ),
)
