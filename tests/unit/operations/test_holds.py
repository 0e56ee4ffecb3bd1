import re

from ml_pipeline.adapters.git.history import Commit
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.operations.holds import held_now, held_on_branch, held_since, is_of_a_file
from ml_pipeline.rules.automation.branch import Branch
from ml_pipeline.rules.automation.observed import Hold

from tests.conftest import git

PATH = "experiments/good/experiment.yaml"
COMMIT = Commit("a" * 40, "Ada", "2026-01-01T01:00:00+01:00", "Break")


def test_file_is_held_since_its_commit():
    (held,) = held_since([Hold(PATH, "is not YAML")], {PATH: COMMIT}, {PATH: "earlier"})
    assert str(held) == "held since 2026-01-01 00:00, aaaaaaaaaa by Ada: is not YAML"


def test_service_is_held_since_the_first_look():
    (held,) = held_since([Hold("MLflow", "is silent")], {}, {"MLflow": "2026-01-01 00:00"})
    assert held.since == "2026-01-01 00:00"


def test_what_says_since_when_itself_is_believed():
    (held,) = held_since([Hold("Job a", "x", "2025-01-01 00:00")], {}, {"Job a": "later"})
    assert held.since == "2025-01-01 00:00"


def test_what_was_never_seen_before_is_held_since_now():
    (held,) = held_now([Hold("cluster", "refuses")])
    assert re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d", held.since)


def test_faulty_file_of_the_branch_is_held_since_whoever_committed_it(team):
    (team / PATH).write_text("kind: [\n")
    git(team, "commit", "--quiet", "--all", "--message", "Break")
    repository = Repository(team)
    branch = Branch(Snapshot(repository.read("HEAD")))
    (held,) = held_on_branch(repository, "HEAD", branch, "local")
    assert held.what == PATH
    assert held.since.endswith(f"{git(team, 'rev-parse', 'HEAD')[:10]} by Ada")


def test_paths_are_told_from_services_and_jobs():
    names = (PATH, "MLflow", "Job data-0123456789-1")
    assert [is_of_a_file(name) for name in names] == [True, False, False]
