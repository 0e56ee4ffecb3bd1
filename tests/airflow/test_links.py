"""Pages of forges for git addresses."""

import pytest
from ml_pipeline.airflow.links import commit_page, receipt_page, web_address
from ml_pipeline.operations.retrain import open_clone_of

pytestmark = pytest.mark.airflow


@pytest.mark.parametrize(
    "origin",
    [
        "https://example.com/team/models.git",
        "https://example.com/team/models",
        "https://x-access-token:secret@example.com/team/models.git",
        "ssh://git@example.com:2222/team/models.git",
        "git@example.com:team/models.git",
    ],
)
def test_pages_of_a_forge_hold_no_credentials(origin):
    assert web_address(origin) == "https://example.com/team/models"


@pytest.mark.parametrize("origin", ["/srv/origin.git", "file:///srv/origin.git", ""])
def test_folder_has_no_pages(origin):
    assert web_address(origin) == ""


def test_commit_and_receipt_of_a_folder_are_named_without_pages(retraining_team):
    clone = open_clone_of(retraining_team.settings)
    assert commit_page(clone, "a" * 40) == "a" * 40
    assert receipt_page(clone, "daily/0123456789") == "experiments/daily/runs/0123456789.yaml"


def test_what_is_not_there_has_no_page(retraining_team):
    clone = open_clone_of(retraining_team.settings)
    assert (commit_page(clone, None), receipt_page(clone, None)) == ("", "")
