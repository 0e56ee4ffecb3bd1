"""What every command keeps to, whatever it does."""

import subprocess
import sys

import pytest
from ml_pipeline.commands.groups import COMMANDS

ROOMS_LOADED = """
import sys, ml_pipeline.commands.groups
rooms = {name.split(".")[1] for name in sys.modules if name.startswith("ml_pipeline.")}
print(*sorted(rooms))
"""


def test_list_of_commands_waits_for_no_operation():
    """`--help` and completion are asked for at every key."""
    asked = [sys.executable, "-c", ROOMS_LOADED]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["commands", "documents"]


@pytest.mark.parametrize("command", COMMANDS.values(), ids=list(COMMANDS))
def test_summary_is_no_sentence(command):
    assert command.summary[0].islower()
    assert not command.summary.endswith(".")
