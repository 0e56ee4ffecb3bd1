"""From what was typed to one command with its options.

What is wrong is one line that says what was probably meant.
"""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from ml_pipeline.commands import console
from ml_pipeline.commands.command import Command, Options
from ml_pipeline.commands.groups import COMMANDS, GROUPS
from ml_pipeline.commands.version import ShowVersion

PROGRAM = "ml-pipeline"
_REPO = "folder of the checkout to work in, or a folder of it (default: this folder)"
_HEAD = "Experiments and promotions are YAML files in git; git revert rolls back."
_TAIL = f"""`{PROGRAM} COMMAND --help` shows a command with its options and an example.

Exit codes: 0 in the desired state, 1 findings or drift, 2 wrong usage or invalid input, 3 a bug,
130 interrupted. Results go to stdout, talk to stderr. NO_COLOR and FORCE_COLOR are honoured."""


def parsed(arguments: Sequence[str] | None) -> Options:
    """The options of the command that was typed, its name in `command`, and the `parser` itself.

    Raises:
        SystemExit: with code 2 for wrong usage, 0 after --help and --version.
    """
    top = parser()
    options, unknown = top.parse_known_args(arguments)
    if unknown:
        top.commands[options.command].refuse(unknown)
    options.parser = top
    return options


def parser() -> "Parser":
    """Every command with its options; the operations are imported only when they are called."""
    top = Parser(prog=PROGRAM, usage=f"{PROGRAM} [--repo DIR] COMMAND [OPTION ...]")
    repo = top.add_argument("--repo", type=Path, default=Path(), metavar="DIR", help=_REPO)
    version = top.add_argument(
        "--version", action=ShowVersion, help="print version and revision, and exit"
    )
    top.overview = _overview([repo, version])
    commands = top.add_subparsers(prog=PROGRAM, metavar="COMMAND", dest="command", required=True)
    for command in COMMANDS.values():
        _add(commands, command)
    top.commands = commands.choices
    return top


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line.

    `overview` replaces its generated help. `add_options` is called when the parser is first used,
    so that nobody waits for the options of the other commands.
    """

    overview = ""
    add_options: Callable[[argparse.ArgumentParser], None] | None = None
    commands: Mapping[str, "Parser"] = {}

    def complete_all(self) -> Mapping[str, "Parser"]:
        """The commands by name, each with all of its options."""
        return {name: command.complete() for name, command in self.commands.items()}

    def complete(self) -> "Parser":
        """The parser with all of its options."""
        if self.add_options:
            # Forgotten first: whatever parses twice must not add its options twice.
            add, self.add_options = self.add_options, None
            add(self)
        return self

    def parse_known_args(  # type: ignore[override]  # argparse's takes any type of namespace
        self, args: Sequence[str] | None = None, namespace: Options | None = None
    ) -> tuple[Options, list[str]]:
        """As argparse does."""
        return super(Parser, self.complete()).parse_known_args(args, namespace)

    def format_help(self) -> str:
        """What --help prints."""
        return self.overview or super().format_help()

    def error(self, message: str) -> NoReturn:
        """Exit with code 2 and one line."""
        self.exit(console.USAGE, f"{message}; see `{self.prog} --help`\n")

    def refuse(self, unknown: Sequence[str]) -> NoReturn:
        """Exit for arguments that the command does not know."""
        known = [name for name in self._option_string_actions if name.startswith("--")]
        for text in unknown:
            option, _, _ = text.partition("=")
            if option.startswith("-"):
                self.error(f"{self.prog} has no option {option}{_meant(option, known)}")
        self.error(f"{self.prog} takes no {unknown[0]!r} here")

    def _check_value(self, action: argparse.Action, value: str) -> None:
        """Overrides argparse, which would list all commands behind one that was mistyped."""
        if action.choices is None or value in action.choices:
            return
        known = list(action.choices)
        if action.dest == "command":
            raise argparse.ArgumentError(
                None, f"{value!r} is no command of {PROGRAM}{_meant(value, known)}"
            )
        near = _meant(value, known) or f", it is one of {', '.join(known)}"
        raise argparse.ArgumentError(action, f"{value!r} is not known{near}")


def _add(commands: "argparse._SubParsersAction[Parser]", command: Command) -> None:
    added = commands.add_parser(
        command.name,
        help=command.summary,
        description=f"{command.summary[0].upper()}{command.summary[1:]}.",
        epilog=f"example:\n  $ {PROGRAM} {command.example}\n\nprints {command.prints}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    # No default: what was said before the command stands where nothing is said after it.
    added.add_argument("--repo", type=Path, default=argparse.SUPPRESS, metavar="DIR", help=_REPO)
    added.add_options = command.add_arguments


def _overview(options: Iterable[argparse.Action]) -> str:
    """The help of the program: commands by what people want to do."""
    lines = [f"usage: {PROGRAM} [--repo DIR] COMMAND [OPTION ...]", "", _HEAD]
    for group in GROUPS:
        lines += ["", group.title]
        lines += [f"  {command.name:11}{command.summary}" for command in group.commands]
    lines += ["", "options"]
    for option in options:
        name = option.option_strings[0]
        if option.metavar:
            name += f" {option.metavar}"
        lines.append(f"  {name:11}{option.help}")
    return "\n".join([*lines, "", _TAIL, ""])


def _meant(typed: str, known: Sequence[str]) -> str:
    # Not above: only what was mistyped waits for it.
    import difflib

    near = difflib.get_close_matches(typed, known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""
