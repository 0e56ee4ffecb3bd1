import pytest
from ml_pipeline.commands.command import Command
from ml_pipeline.commands.groups import COMMANDS, GROUPS

from tests.conftest import REPOSITORY

# What a command takes its words from.
WRITTEN = {
    path.stem
    for path in (REPOSITORY / "scripts/ml_pipeline/commands").glob("*.py")
    if "\nCOMMAND = Command(" in path.read_text()
}


def grouped() -> list[Command]:
    return [command for group in GROUPS for command in group.commands]


def test_every_command_that_is_written_is_in_one_group():
    assert sorted(command.name for command in grouped()) == sorted(WRITTEN)


def test_commands_are_found_in_the_order_of_their_groups():
    assert list(COMMANDS.values()) == grouped()


@pytest.mark.parametrize("name", COMMANDS)
def test_command_lies_in_the_module_of_its_name(name):
    assert COMMANDS[name].name == name
    assert COMMANDS[name].run.__module__ == f"ml_pipeline.commands.{name}"


def test_groups_say_what_people_want_to_do():
    titles = [group.title for group in GROUPS]
    assert len(set(titles)) == len(titles)
    assert all(title == title.lower() for title in titles)
