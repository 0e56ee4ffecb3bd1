"""What every command keeps to, whatever it does."""

import subprocess
import sys
from dataclasses import FrozenInstanceError

import pytest
from ml_pipeline.commands.groups import COMMANDS

HEAVY = ("pydantic", "yaml", "git", "kubernetes", "json", "ml_pipeline.operations")
ASK = """
import sys
from ml_pipeline.commands.groups import COMMANDS
print(*[name for name in sys.argv[1:] if name in sys.modules])
"""


def test_list_of_commands_waits_for_nothing_that_they_need():
    """`--help` and completion are asked for at every key."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, *HEAVY], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


@pytest.mark.parametrize("command", COMMANDS.values(), ids=list(COMMANDS))
def test_summary_is_no_sentence(command):
    assert command.summary[0].islower()
    assert not command.summary.endswith(".")


def test_command_cannot_be_changed_by_who_runs_it():
    with pytest.raises(FrozenInstanceError):
        COMMANDS["up"].name = "down"
