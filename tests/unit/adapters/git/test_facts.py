import pytest
from ml_pipeline.adapters.git.facts import read_facts
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError

from tests.conftest import git


def test_facts_are_those_of_the_revision(team):
    (team / "environments/staging/environment.yaml").write_text("not committed")
    assert read_facts(Repository(team), "staging").runtime == "kubernetes"


def test_unknown_environment_names_the_known(team):
    with pytest.raises(
        PipelineError, match="'moon' does not exist at HEAD; known are local, production, staging"
    ):
        read_facts(Repository(team), "moon")


def test_invalid_facts_are_reported_with_their_lines(team):
    (team / "environments/staging/environment.yaml").write_text("kind: Environment\n")
    git(team, "commit", "--quiet", "--all", "--message", "Break")
    with pytest.raises(InvalidDocumentsError, match="apiVersion: is missing"):
        read_facts(Repository(team), "staging")
