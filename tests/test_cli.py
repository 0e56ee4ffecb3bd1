import subprocess
import sys

import pytest
from ml_pipeline.cli import main

from tests.conftest import REPOSITORY


def test_help_imports_nothing_heavy():
    heavy = (
        "('pydantic', 'git', 'yaml', 'torch', 'mlflow', 'kubernetes', 'shtab', 'json', 'traceback')"
    )
    script = f"""
import sys, ml_pipeline.cli
for arguments in (["--help"], ["status", "--help"]):
    try:
        ml_pipeline.cli.main(arguments)
    except SystemExit:
        pass
print([name for name in {heavy} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_wrong_usage_ends_with_code_2(capsys):
    with pytest.raises(SystemExit) as error:
        main(["no-such-command"])
    assert error.value.code == 2


def test_a_bug_ends_with_code_3_and_a_report(monkeypatch, capsys):
    monkeypatch.setattr("ml_pipeline.operations.validate.validate", lambda *_, **__: 1 / 0)
    assert main(["validate"]) == 3
    assert "please report it" in capsys.readouterr().err


def test_full_disk_is_one_line_and_code_2(monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(28, "No space left on device", "/x/job.yaml")

    monkeypatch.setattr("ml_pipeline.operations.validate.validate", full)
    assert main(["validate"]) == 2
    assert capsys.readouterr().err == "/x/job.yaml: No space left on device; free space there\n"


def test_interruption_ends_with_code_130(monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("ml_pipeline.operations.validate.validate", interrupt)
    assert main(["validate"]) == 130
    assert capsys.readouterr().err == "interrupted; the next run carries on\n"


def test_folder_that_is_no_checkout_ends_with_code_2(tmp_path, capsys):
    assert main(["validate", "--repo", str(tmp_path)]) == 2
    assert "holds no environments/" in capsys.readouterr().err


def test_reader_that_goes_away_is_no_bug():
    done = subprocess.run(
        f"{sys.executable} -m ml_pipeline.cli --help | head -1",
        shell=True,
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
    )
    assert done.stderr == ""


def test_commands_work_on_the_whole_clone_from_any_folder(team, monkeypatch, capsys):
    monkeypatch.chdir(team / "experiments/waiting")
    assert main(["validate"]) == 0
    assert "5 experiments" in capsys.readouterr().out
    assert main(["down"]) == 2
    assert f"no embedded environment in {team}/.ml-pipeline" in capsys.readouterr().err


def test_files_are_named_from_the_current_folder(team, monkeypatch, capsys):
    monkeypatch.chdir(team / "experiments/waiting")
    assert main(["validate", "experiment.yaml"]) == 0
    assert capsys.readouterr().out == "valid: experiments/waiting/experiment.yaml\n"
    assert main(["submit", "../gone.yaml"]) == 2
    assert capsys.readouterr().err.startswith("../gone.yaml is not there; ")
    draft = (team / "experiments/waiting/experiment.yaml").read_text()
    (team / "experiments/waiting/draft.yaml").write_text(draft.replace("epochs: 30", "epochs: 0"))
    assert main(["submit", "draft.yaml"]) == 2
    assert capsys.readouterr().err.startswith("draft.yaml:11: parameters.epochs: ")
