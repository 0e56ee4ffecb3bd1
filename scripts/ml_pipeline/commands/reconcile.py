"""`ml-pipeline reconcile`."""

from pathlib import Path

from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.commands.options import cluster, cluster_of, env


def add_arguments(arguments: Arguments) -> None:
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


def run(options: Options) -> int:
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


COMMAND = Command(
    "reconcile",
    "commit receipts, rollout steps and verdicts",
    add_arguments,
    run,
    example="reconcile --dry-run",
    prints="each commit with its reason, and what is held and why",
)
