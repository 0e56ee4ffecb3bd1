"""`ml-pipeline completion`."""

from pathlib import Path

from ml_pipeline.commands import console
from ml_pipeline.commands.command import Arguments, Command, Options

SHELLS = ("bash", "zsh", "fish")


def add_arguments(arguments: Arguments) -> None:
    arguments.add_argument("shell", choices=SHELLS, help="whose script")


def run(options: Options) -> int:
    import shtab

    program = options.parser
    for command in (program, *program.complete_all().values()):
        _complete_paths(command)
    console.result(shtab.complete(program, options.shell).rstrip())
    return console.OK


def _complete_paths(command: Arguments) -> None:
    """Have the shell complete paths where a path is asked for."""
    import shtab

    for action in command._actions:
        if action.type is Path:
            place = shtab.DIRECTORY if action.metavar == "DIR" else shtab.FILE
            action.complete = place  # type: ignore[attr-defined]  # where shtab looks for it


COMMAND = Command(
    "completion",
    "print what makes a shell complete commands and options",
    add_arguments,
    run,
    example="completion bash > ~/.local/share/bash-completion/completions/ml-pipeline",
    prints="a script, to be sourced by the shell; zsh and fish load it from a folder of theirs",
)
