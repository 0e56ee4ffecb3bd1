import sys

import pytest
from ml_pipeline.adapters import processes


def test_output_is_returned(tmp_path):
    assert processes.run(["cat"], cwd=tmp_path, stdin=b"hello") == b"hello"


def test_failure_carries_command_code_and_message():
    with pytest.raises(processes.ProgramError, match="ended with 3: gone wrong") as error:
        processes.run(
            [sys.executable, "-c", "import sys; sys.exit(sys.stderr.write('gone wrong') and 3)"]
        )
    assert (error.value.code, error.value.command[0]) == (3, sys.executable)


def test_missing_program_names_the_repair():
    with pytest.raises(processes.ProgramError, match="run `make setup`"):
        processes.run(["no-such-program"])


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("a = bytearray(2**30)", "Memory"),
        ("print('out of memory'); raise SystemExit('out of memory')", "needs more than 64 MiB"),
        ("print('x' * 2**21)", "prints more than 1 MiB"),
        ("while True: pass", "is not done after 1 seconds"),
        ("import time; time.sleep(30)", "is not done after 1 seconds"),
        ("raise SystemExit('gone wrong')", "gone wrong"),
    ],
)
def test_a_program_that_passes_a_limit_is_one_line(script, said):
    limits = processes.Limits(memory=64 * 2**20, seconds=1, output=2**20)
    # The limits come right after the start: what a program does in its first moments is not held to them.
    command = [sys.executable, "-c", f"import time; time.sleep(0.2); exec({script!r})"]
    with pytest.raises(processes.ProgramError) as error:
        processes.run_limited(command, limits, env={})
    assert said in error.value.stderr.splitlines()[-1]
    assert len(str(error.value).splitlines()) == 1


def test_a_program_within_its_limits_says_what_it_says():
    limits = processes.Limits(memory=256 * 2**20, seconds=60, output=2**20)
    assert processes.run_limited(["echo", "hello"], limits, env={}) == b"hello\n"


def test_program_that_takes_too_long_is_ended_with_what_it_started():
    """A child that holds its pipes would make the caller wait on."""
    with pytest.raises(processes.ProgramError, match="timed out after 0.2 s"):
        processes.run(["sh", "-c", "sleep 600 & sleep 600"], seconds=0.2)
