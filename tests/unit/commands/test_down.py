import pytest
from ml_pipeline.cli import main

from tests.conftest import git


@pytest.fixture
def clone(tmp_path):
    git(tmp_path, "init", "--quiet")
    return tmp_path


def test_environment_that_never_was_up_is_told_with_the_repair(clone, capsys):
    assert main(["down", "--repo", str(clone)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "ml-pipeline up" in said.err


def test_environment_that_is_down_is_down_again(clone, capsys):
    """Whatever a machine that lost power has left, and as often as it is asked."""
    (clone / ".ml-pipeline/origin.git").mkdir(parents=True)
    for _ in range(2):
        assert main(["down", "--repo", str(clone)]) == 0
        assert capsys.readouterr().out == "down\n"


def test_down_takes_no_argument(clone, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["down", "--repo", str(clone), "local"])
    assert ended.value.code == 2
    assert "takes no 'local' here" in capsys.readouterr().err
