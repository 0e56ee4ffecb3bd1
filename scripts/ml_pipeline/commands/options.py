"""Options that several commands share."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ml_pipeline.commands.command import Arguments, Options

if TYPE_CHECKING:
    from ml_pipeline.adapters.kubernetes import Cluster


def no_arguments(_: Arguments) -> None:
    """For a command without options of its own."""


def output(arguments: Arguments, *more: str) -> None:
    """`--output`: text, json, and what else the command can print."""
    arguments.add_argument(
        "--output",
        choices=("text", "json", *more),
        default="text",
        help="form of the answer (default: text)",
    )


def check(arguments: Arguments) -> None:
    """`--check`: nothing is written."""
    arguments.add_argument(
        "--check", action="store_true", help="only say what differs; exit 1 if anything does"
    )


def env(arguments: Arguments, text: str = "where (default: local)") -> None:
    """`--env`: the environment that is meant, `local` where nobody says."""
    arguments.add_argument("--env", default="local", metavar="NAME", help=text)


def flux_env(arguments: Arguments) -> None:
    """`--env` of commands that make no sense without a cluster."""
    arguments.add_argument(
        "--env", required=True, metavar="NAME", help="environment that Flux reconciles"
    )


def remote(arguments: Arguments) -> None:
    """`--remote`: whose branch counts."""
    arguments.add_argument(
        "--remote",
        metavar="NAME",
        help="remote whose branch counts "
        "(default: local if it is there and the environment is embedded, else origin)",
    )


def cluster(arguments: Arguments) -> None:
    """`--kubeconfig` and `--context`: how to reach the cluster."""
    arguments.add_argument(
        "--kubeconfig",
        type=Path,
        metavar="FILE",
        help="how to reach the cluster (default: KUBECONFIG, ~/.kube/config)",
    )
    arguments.add_argument(
        "--context",
        metavar="NAME",
        help="context of the kubeconfig (default: its current one)",
    )


def cluster_of(options: Options) -> "Cluster":
    """The cluster that the options of `cluster` name."""
    from ml_pipeline.adapters.kubernetes import Cluster

    return Cluster(options.kubeconfig, options.context)


def settings(arguments: Arguments, text: str) -> None:
    """`--set`: keys that are changed on the way."""
    arguments.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=text)


def sort(arguments: Arguments, default: str) -> None:
    """`--sort` and `--reverse`: the order of runs."""
    shown = f" (default: {default})" if default else ""
    arguments.add_argument(
        "--sort",
        default=default,
        metavar="WHAT",
        help=f"a metric, cost or duration, the most first, or age, the newest first{shown}",
    )
    arguments.add_argument("--reverse", action="store_true", help="the other way round")


def count(text: str) -> int:
    """What was typed as a number of things; none is no number to ask for."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number above 0")
    return int(text)


def past_arguments(arguments: Arguments) -> None:
    """What is asked about where a served model came from."""
    arguments.add_argument("model", metavar="MODEL", help="model that serves, or has served")
    env(arguments)
    output(arguments)


def base(arguments: Arguments) -> None:
    """`--base`: what the merge goes into."""
    arguments.add_argument(
        "--base",
        default="",
        metavar="REV",
        help="revision to compare with (default: origin/main, or local/main where its commits "
        "are checked out)",
    )
