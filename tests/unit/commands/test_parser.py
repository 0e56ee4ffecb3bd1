import argparse
import re
import shlex

import pytest
from ml_pipeline.commands.groups import COMMANDS, GROUPS
from ml_pipeline.commands.parser import Parser, parsed, parser

from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs/commands.md").read_text()


@pytest.fixture(scope="module")
def commands() -> dict[str, Parser]:
    return dict(parser().complete_all())


def own_actions(command: Parser) -> list[argparse.Action]:
    return [action for action in command._actions if action.dest not in ("help", "repo")]


def section(name: str) -> str:
    """The part of docs/commands.md about one command."""
    return PAGE.partition(f"## `{name}`\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_argument_has_a_help_text(commands, name):
    assert [action.dest for action in commands[name]._actions if not action.help] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_argument_is_documented_where_its_command_is(commands, name):
    rows = re.findall(r"^\| `([^`]+)` \|", section(name), re.MULTILINE)
    documented = {row.rpartition(", ")[2].split(" ")[0] for row in rows}
    known = {
        (action.option_strings or [action.metavar or action.dest])[-1]
        for action in own_actions(commands[name])
    }
    assert documented == known


@pytest.mark.parametrize("name", COMMANDS)
def test_example_of_every_command_is_one_that_it_takes(name):
    options = parsed(shlex.split(COMMANDS[name].example.partition(" >")[0]))
    assert options.command == name


def test_help_of_a_command_shows_an_example_and_what_it_prints(commands):
    said = commands["render"].format_help()
    assert "example:\n  $ ml-pipeline render --check\n" in said
    assert "exit code 1 where --check finds any" in said


def test_help_lists_every_command_by_what_people_want(capsys):
    with pytest.raises(SystemExit) as ended:
        parsed(["--help"])
    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert [group.title for group in GROUPS if f"\n{group.title}\n" not in said] == []
    assert [c.name for c in COMMANDS.values() if f"  {c.name} " not in said] == []
    assert max(map(len, said.splitlines())) <= 100


@pytest.mark.parametrize(
    "arguments", [["--repo", "/x", "status"], ["status", "--repo", "/x"], ["status", "--repo=/x"]]
)
def test_repository_is_named_before_or_after_the_command(arguments):
    assert str(parsed(arguments).repo) == "/x"


def test_repository_is_this_folder_where_nobody_says():
    assert str(parsed(["status"]).repo) == "."


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["stauts"], "'stauts' is no command of ml-pipeline; did you mean status?"),
        (["xyzzy"], "'xyzzy' is no command of ml-pipeline;"),
        (["status", "--evn", "x"], "ml-pipeline status has no option --evn; did you mean --env?"),
        (
            ["reconcile", "--dryrun"],
            "ml-pipeline reconcile has no option --dryrun; did you mean --dry-run?",
        ),
        (["status", "--evn=x"], "has no option --evn; did you mean --env?"),
        (["status", "-x"], "ml-pipeline status has no option -x;"),
        (["status", "staging"], "ml-pipeline status takes no 'staging' here;"),
        (["status", "--output", "jsn"], "--output: 'jsn' is not known; did you mean json?"),
        (["image", "x"], "'x' is not known, it is one of trainer, serving, scripts;"),
        (["promote"], "the following arguments are required: RUN;"),
        ([], "the following arguments are required: COMMAND;"),
        (["promote", "x", "--steps", "a"], "'a' must be whole numbers such as 10,50,100;"),
    ],
)
def test_wrong_usage_is_one_line_that_says_what_was_meant(capsys, arguments, line):
    with pytest.raises(SystemExit) as ended:
        parsed(arguments)
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert line in said
    assert re.fullmatch(r"[^\n]+ see `ml-pipeline [a-z -]+`\n", said)
