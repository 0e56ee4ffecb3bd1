import sys
from pathlib import Path

import pytest
from ml_pipeline.adapters.git.code import digest_at
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.environments.embedded.images import Images, interpreter
from ml_pipeline.environments.embedded.state import State

from tests.conftest import git


@pytest.fixture
def images(team, tmp_path):
    (tmp_path / "state/images").mkdir(parents=True)
    return Images(State(tmp_path / "state"), Repository(team))


def test_digest_becomes_the_code_and_its_python(images, team):
    digest = digest_at(images.repository, "HEAD", "trainer")
    folder, python = images.resolve(f"registry.example.com/ml/trainer@{digest}")
    assert (folder / "trainer/train.py").exists()
    assert python == Path(sys.executable)


def test_code_is_that_of_the_digest_after_the_branch_moved_on(images, team):
    digest = digest_at(images.repository, "HEAD", "trainer")
    (team / "trainer/train.py").write_text("changed\n")
    git(team, "commit", "--quiet", "--all", "--message", "Change the trainer")
    folder, _ = images.resolve(f"trainer@{digest}")
    assert (folder / "trainer/train.py").read_text() != "changed\n"


def test_unknown_digest_is_said(images):
    with pytest.raises(PipelineError, match="no commit holds trainer/"):
        images.resolve("trainer@sha256:" + "0" * 64)


def test_interrupted_extraction_is_made_anew(images, team):
    digest = digest_at(images.repository, "HEAD", "trainer")
    building = images.state.root / "images" / f".trainer-{digest[7:23]}.building"
    building.mkdir()
    (building / "half").write_text("x")
    folder, _ = images.resolve(f"trainer@{digest}")
    assert not (folder / "half").exists()


def test_trainer_runs_in_this_environment():
    assert interpreter("trainer") == Path(sys.executable)
