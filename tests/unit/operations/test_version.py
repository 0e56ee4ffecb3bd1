import shutil

import pytest
from ml_pipeline.cli import main
from ml_pipeline.operations import version

from tests.conftest import git


def test_version_names_the_package(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("ml-pipeline 0.1.0")


@pytest.fixture
def installed(team):
    """A file of a package that is part of a clone."""
    file = team / "scripts/ml_pipeline/operations/version.py"
    file.parent.mkdir(parents=True)
    shutil.copy(version.__file__, file)
    git(team, "add", "--all")
    git(team, "commit", "--quiet", "--message", "Add the package")
    return file


def test_revision_is_the_one_that_the_package_is_from(team, installed):
    assert version.revision_of(installed) == git(team, "rev-parse", "HEAD")


def test_changed_package_says_so(team, installed):
    installed.write_text("changed\n")
    assert version.revision_of(installed) == git(team, "rev-parse", "HEAD") + " with changes"


def test_copy_that_only_lies_in_a_clone_has_no_revision_of_it(team, installed):
    copy = installed.with_name("copy.py")
    shutil.copy(installed, copy)
    assert version.revision_of(copy) == ""


def test_package_outside_of_any_clone_has_no_revision(tmp_path):
    (tmp_path / "version.py").touch()
    assert version.revision_of(tmp_path / "version.py") == ""
