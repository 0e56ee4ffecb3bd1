import pytest
from ml_pipeline.adapters.git.reading import Reading
from ml_pipeline.adapters.git.repository import Repository

from tests.conftest import git

GOOD = "experiments/good/experiment.yaml"


@pytest.fixture
def reading(team) -> Reading:
    return Reading(Repository(team))


def change(team, text: str) -> str:
    (team / GOOD).write_text(text)
    git(team, "commit", "--quiet", "--all", "--message", "Change")
    return git(team, "rev-parse", "HEAD")


def test_new_revision_is_read_as_a_difference(team, reading, files):
    begin = git(team, "rev-parse", "HEAD")
    known = reading.at(begin).whole.document("experiments/weak/experiment.yaml")
    later = reading.at(change(team, "x: 1\n")).whole
    assert later.files == {**files, GOOD: b"x: 1\n"}
    assert later.document("experiments/weak/experiment.yaml") is known
    assert reading.at(begin).whole.files == files


def test_same_revision_is_not_read_again(team, reading):
    head = git(team, "rev-parse", "HEAD")
    assert reading.at(head) is reading.at(head)


def test_branch_that_was_set_to_another_history_is_read_whole(team, reading, files):
    reading.at(git(team, "rev-parse", "HEAD"))
    reading.changes(reading.revision)
    reading.revision = reading._walked = "0" * 40
    head = change(team, "x: 2\n")
    assert reading.at(head).whole.files == {**files, GOOD: b"x: 2\n"}
    assert reading.changes(head)[GOOD].sha == head


def test_changes_are_walked_on_from_the_last_revision(team, reading):
    reading.changes(git(team, "rev-parse", "HEAD"))
    head = change(team, "x: 3\n")
    found = reading.changes(head)
    assert found[GOOD].sha == head
    assert found["experiments/weak/experiment.yaml"].subject == "Begin"
