"""`ml-pipeline completion`."""

from ml_pipeline.commands.command import Arguments, Command, Options


def add_arguments(arguments: Arguments) -> None:
    arguments.add_argument("shell", choices=("bash", "zsh", "fish"), help="whose script")


def run(options: Options) -> int:
    from ml_pipeline.commands.parser import parser
    from ml_pipeline.operations.completion import completion

    program = parser()
    return completion(options.shell, program, program.complete_all())


COMMAND = Command(
    "completion",
    "print what makes a shell complete commands and options",
    add_arguments,
    run,
    example="completion bash > ~/.local/share/bash-completion/completions/ml-pipeline",
    prints="a script, to be sourced by the shell; zsh and fish load it from a folder of theirs",
)
