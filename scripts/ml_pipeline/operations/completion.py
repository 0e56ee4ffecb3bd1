"""`ml-pipeline completion`: the script that makes a shell complete commands, options and their values."""

import argparse
from collections.abc import Mapping
from pathlib import Path

import shtab

from ml_pipeline.commands import console

SHELLS = ("bash", "zsh", "fish")


def completion(
    shell: str, program: argparse.ArgumentParser, commands: Mapping[str, argparse.ArgumentParser]
) -> int:
    """Print the script for a shell; where a path is asked for, the shell completes paths."""
    for command in (program, *commands.values()):
        for action in command._actions:
            if action.type is Path:
                place = shtab.DIRECTORY if action.metavar == "DIR" else shtab.FILE
                action.complete = place  # type: ignore[attr-defined]  # where shtab looks for it
    console.result(shtab.complete(program, shell).rstrip())
    return console.OK
