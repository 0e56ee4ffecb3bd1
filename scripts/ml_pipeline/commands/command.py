"""What a command is."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

Arguments = argparse.ArgumentParser
Options = argparse.Namespace


@dataclass(frozen=True)
class Command:
    """One command, with how it is called and what it does.

    `run` imports its operation, and what shows its answer, when it is called: `--help` waits for
    none of them.
    """

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
