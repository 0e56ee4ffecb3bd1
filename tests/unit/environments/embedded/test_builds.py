import re

import pytest
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.adapters.processes import ProgramError
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.environments.embedded import builds as module
from ml_pipeline.environments.embedded.builds import Builds
from ml_pipeline.environments.embedded.state import State

from tests.conftest import git


@pytest.fixture
def team(rendered_team):
    return rendered_team


@pytest.fixture
def builds(team, tmp_path):
    return Builds(State(tmp_path / "state"), Repository(team), "local")


def kinds(objects) -> list[str]:
    return sorted(thing["kind"] for thing in objects)


def test_every_overlay_is_built(builds):
    assert kinds(builds.objects("HEAD")) == ["Job", "PodDisruptionBudget", "SeldonDeployment"]


def test_unchanged_overlays_are_built_once(builds, monkeypatch):
    first = builds.objects("HEAD")
    monkeypatch.setattr(
        module, "build_objects", lambda folder: pytest.fail(f"built {folder} again")
    )
    assert builds.objects("HEAD") == first


def test_another_base_builds_anew(builds, team):
    builds.objects("HEAD")
    path = team / "base/training-job/job.yaml"
    path.write_text(path.read_text().replace("backoffLimit: 3", "backoffLimit: 5"))
    git(team, "commit", "--quiet", "--all", "--message", "Change base")
    (job,) = (thing for thing in builds.objects("HEAD") if thing["kind"] == "Job")
    assert job["spec"]["backoffLimit"] == 5


def test_overlay_that_left_git_is_gone(builds, team):
    builds.objects("HEAD")
    git(team, "rm", "-rq", "environments/local/serving/digits")
    git(team, "commit", "--quiet", "--message", "Take it out")
    assert kinds(builds.objects("HEAD")) == ["Job"]


def test_one_broken_overlay_fails_the_revision(builds, team):
    (team / "base/serving/seldondeployment.yaml").unlink()
    git(team, "commit", "--quiet", "--all", "--message", "Break")
    with pytest.raises(ProgramError, match="kustomize"):
        builds.objects("HEAD")


@pytest.mark.parametrize(
    ("old", "new"), [("memory: 2Gi", "memory: lots"), ("      resources:", "      resource:")]
)
def test_overlay_edited_by_hand_is_refused_by_name(builds, team, old, new):
    (path,) = team.glob("environments/local/training/waiting-*/job.yaml")
    path.write_text(re.sub(old, new, path.read_text()))
    git(team, "commit", "--quiet", "--all", "--message", "Edit")
    with pytest.raises(
        PipelineError, match=r"Job waiting-train-\w+ lacks or misspells .*; render it anew"
    ):
        builds.objects("HEAD")
