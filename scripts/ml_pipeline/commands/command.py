"""What a command is, and the options that several commands share."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ml_pipeline.adapters.kubernetes import Cluster

Arguments = argparse.ArgumentParser
Options = argparse.Namespace


@dataclass(frozen=True)
class Command:
    """One command. `run` imports its verb when it is called, so that `--help` waits for none of them."""

    name: str
    summary: str
    """What it does, as the list of all commands says it."""
    add_arguments: Callable[[Arguments], None]
    run: Callable[[Options], int]
    example: str
    """A line that can be typed, without the program's name."""
    prints: str
    """What it answers, and which exit codes it has beside those of all commands."""


@dataclass(frozen=True)
class Group:
    """Commands that serve one purpose of a person."""

    title: str
    commands: tuple[Command, ...]


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
        help="remote whose branch counts (default: local if it is there and the environment is embedded, else origin)",
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
