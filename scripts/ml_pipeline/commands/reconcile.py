"""`ml-pipeline reconcile`."""

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ml_pipeline.commands import console
from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.commands.options import cluster, cluster_of, env

if TYPE_CHECKING:
    from ml_pipeline.operations.reconcile import Reconciler

_TERMINATED = 143  # as a shell says it of what SIGTERM has ended


def add_arguments(arguments: Arguments) -> None:
    env(arguments, "environment to observe (default: local)")
    arguments.add_argument(
        "--state",
        type=Path,
        metavar="DIR",
        help=(
            "state folder of the embedded environment, or of a bridge "
            "(default: that of the checkout)"
        ),
    )
    cluster(arguments)
    _unattended_arguments(arguments)
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


def _unattended_arguments(arguments: Arguments) -> None:
    """How a Deployment runs it."""
    arguments.add_argument(
        "--clone",
        metavar="URL",
        help=(
            "work in a clone of this address, as a Deployment does; "
            "with credentials that are mounted"
        ),
    )
    arguments.add_argument(
        "--branch", default="main", metavar="NAME", help="branch of --clone (default: main)"
    )
    arguments.add_argument(
        "--credentials",
        type=Path,
        default=Path("/credentials"),
        metavar="DIR",
        help=(
            "for --clone: a Secret with identity and known_hosts, or password "
            "(default: /credentials)"
        ),
    )
    arguments.add_argument(
        "--work",
        type=Path,
        default=Path("/work"),
        metavar="DIR",
        help="for --clone: where clone and heartbeat are kept (default: /work)",
    )


def run(options: Options) -> int:
    from ml_pipeline.operations.reconcile import (
        Unattended,
        keep_reconciling,
        open_reconciler,
        open_unattended,
    )

    is_endless = options.passes == "endless"
    reached = cluster_of(options)
    if options.clone:
        how = Unattended(options.clone, options.branch, options.credentials, options.work)
        if is_endless:
            # The first process of a container gets no signal that it does not ask for.
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
        reconciler = open_unattended(options.env, how, cluster=reached)
    else:
        reconciler = open_reconciler(
            options.repo, options.env, state=options.state, cluster=reached
        )
    if not is_endless:
        return _once(reconciler, dry_run=options.passes == "plan")
    console.talk(keep_reconciling(reconciler, console.talk))
    return console.FINDINGS


def _once(reconciler: "Reconciler", *, dry_run: bool) -> int:
    from ml_pipeline.operations.reconcile import one_pass, rollouts_after

    done = one_pass(reconciler, dry_run=dry_run, talk=console.talk)
    for step in done.steps:
        console.result(f"{step.subject}: {step.reason}")
    for entry in done.held:
        console.talk(str(entry))
    # Asked only now: whatever keeps this from being said, the commits are made and were shown.
    for rollout in rollouts_after(reconciler):
        console.result(str(rollout))
    if not done.steps:
        console.result("nothing to do")
    return console.FINDINGS if done.held or (dry_run and done.steps) else console.OK


COMMAND = Command(
    "reconcile",
    "commit receipts, rollout steps and verdicts",
    add_arguments,
    run,
    example="reconcile --dry-run",
    prints="each commit with its reason, and what is held and why",
)
