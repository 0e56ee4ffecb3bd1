import shutil
import subprocess

import pytest
from ml_pipeline.cli import main

ASK = """
source ./ml-pipeline.bash
COMP_WORDS=(ml-pipeline {typed}) COMP_CWORD={at}
COMP_LINE="ml-pipeline {typed}" COMP_POINT=${{#COMP_LINE}}
_shtab_ml_pipeline ml-pipeline "${{COMP_WORDS[COMP_CWORD]}}" x 2>/dev/null
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def completed(tmp_path, capsys):
    main(["completion", "bash"])
    (tmp_path / "ml-pipeline.bash").write_text(capsys.readouterr().out)

    def answer(*typed: str) -> set[str]:
        script = ASK.format(typed=" ".join(typed), at=len(typed))
        done = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return set(done.stdout.split())

    return answer


def test_bash_completes_commands(completed):
    assert completed("ro") == {"rollback"}


def test_bash_completes_the_options_of_a_command(completed):
    assert completed("submit", "--me") == {"--merge"}


def test_bash_completes_the_values_of_an_option(completed):
    assert completed("status", "--output", "j") == {"json"}


def test_bash_completes_paths_where_a_file_is_asked_for(completed):
    assert completed("submit", "ml-p") == {"ml-pipeline.bash"}


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_take_their_script(tmp_path, capsys, shell):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "max-p99-increase" in script
    if shutil.which(shell):  # not where the tests of this repository usually run
        (tmp_path / "script").write_text(script)
        subprocess.run([shell, "-n", "script"], cwd=tmp_path, check=True)
