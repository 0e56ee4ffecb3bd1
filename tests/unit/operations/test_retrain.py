"""An interval from its source to its promotion, through real git; automation's part is played."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.cli import main
from ml_pipeline.documents.changes import Changes
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.operations import retrain
from ml_pipeline.operations.retrain import (
    IntervalWatch,
    due_interval,
    open_clone_of,
    promote,
    propose,
    standing,
)
from ml_pipeline.rules.automation.retraining import State

from tests.conftest import git
from tests.support.recurring import NAME, PATH, day, played, recurring


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "sales.csv"
    path.write_bytes(b"height,label\n1,cat\n")
    return path


@pytest.fixture
def repository(rendered_team, source) -> Repository:
    """The clone of a team whose experiment trains each day and promotes to `local`; its first run has ended."""
    found = Repository(rendered_team)
    commit(found, recurring(read(found), f"file://{source}", promote="local"))
    end(found)
    return found


def read(repository, revision="") -> dict[str, bytes]:
    return dict(repository.read(revision or repository.fetch()))


def commit(repository, after) -> None:
    revision = repository.fetch()
    before = dict(repository.read(revision))
    write = {path: raw for path, raw in after.items() if before.get(path) != raw}
    changes = Changes(write, frozenset(before.keys() - after.keys()))
    if changes:
        repository.push(repository.commit(revision, changes, "Played"), revision)


def end(repository, accuracy=0.98) -> None:
    """Automation commits what its environment has finished."""
    commit(repository, played(read(repository), accuracy))


def subjects(repository) -> list[str]:
    return git(repository.path, "log", "--format=%s", repository.fetch()).splitlines()


def test_interval_is_proposed_once_followed_and_promoted(repository, source):
    assert propose(repository, day(0)).state == State.WAITING
    assert propose(repository, day(0)).state == State.WAITING
    assert subjects(repository).count(f"Retrain {NAME} for {day(0).name}") == 1
    author = git(repository.path, "log", "-1", "--format=%an", repository.fetch())
    assert author == "ml-pipeline"
    end(repository)
    ended = standing(repository, day(0))
    assert ended.state == State.SUCCEEDED
    made = promote(repository, day(0))
    assert (made.state, made.run) == (State.PROMOTED, ended.run)
    assert made.commit == repository.fetch()
    promotion = Snapshot(read(repository)).promotions["local", "digits"]
    assert promotion.run == ended.run


def test_promoting_again_changes_nothing(repository):
    propose(repository, day(0))
    end(repository)
    promote(repository, day(0))
    before = repository.fetch()
    assert promote(repository, day(0)).state == State.PROMOTED
    assert repository.fetch() == before


def test_promotion_that_a_person_reverts_is_never_made_again(repository):
    propose(repository, day(0))
    end(repository)
    made = promote(repository, day(0))
    revert(repository, made.commit)
    before = repository.fetch()
    again = promote(repository, day(0))
    assert again.state == State.WITHDRAWN
    assert f"ml-pipeline promote {made.run} --env local" in again.reason
    assert repository.fetch() == before


def test_proposal_that_a_person_reverts_is_never_made_again(repository):
    propose(repository, day(0))
    revert(repository, repository.fetch())
    before = repository.fetch()
    assert propose(repository, day(0)).state == State.WITHDRAWN
    assert repository.fetch() == before
    assert propose(repository, day(1)).state == State.WAITING


def revert(repository, revision) -> None:
    folder = repository.path
    git(folder, "fetch", "--quiet", "origin")
    git(folder, "checkout", "--quiet", "-B", "work", repository.tracking)
    git(folder, "revert", "--no-edit", revision)
    git(folder, "push", "--quiet", "origin", "work:main")


def test_older_interval_does_not_take_the_place_of_a_newer_promotion(repository, source):
    for number, content in enumerate([b"a", b"b"]):
        source.write_bytes(content)
        propose(repository, day(number))
        end(repository)
    assert promote(repository, day(1)).state == State.PROMOTED
    assert promote(repository, day(0)).state == State.SUPERSEDED


def test_run_that_misses_its_gates_is_not_promoted(repository):
    propose(repository, day(0))
    end(repository, accuracy=0.3)
    before = repository.fetch()
    assert promote(repository, day(0)).state == State.FAILED
    assert repository.fetch() == before


def test_environment_that_merges_nothing_by_itself_gets_a_branch(repository):
    files = read(repository)
    path = "environments/staging/environment.yaml"
    files[PATH] = files[PATH].replace(b"promote: local", b"promote: staging")
    if b"promotes_from" not in files[path]:
        files[path] += b"promotes_from: [local]\n"
    commit(repository, files)
    propose(repository, day(0))
    end(repository)
    before = repository.fetch()
    made = promote(repository, day(0))
    assert made.state == State.PROPOSED
    branch = made.reason.split()[0]
    assert branch.startswith("retrain/staging-digits-")
    assert repository.remote_head(branch) == made.commit
    # The branch that counts has at most what automation itself keeps there.
    changed = git(repository.path, "diff", "--name-only", before, repository.fetch()).split()
    assert not any("promotions" in path for path in changed)
    assert promote(repository, day(0)).state == State.PROPOSED
    assert repository.remote_head(branch) == made.commit


def test_two_at_once_propose_an_interval_once(repository, tmp_path):
    clones = []
    for number in range(2):
        git(tmp_path, "clone", "--quiet", "origin.git", f"c{number}")
        clones.append(Repository(tmp_path / f"c{number}"))
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda clone: propose(clone, day(0)).state, clones))
    assert made == [State.WAITING, State.WAITING]
    assert subjects(repository).count(f"Retrain {NAME} for {day(0).name}") == 1


def test_source_that_changes_while_it_is_read_is_pinned_as_it_was_read(
    repository, source, monkeypatch
):
    reading = retrain.read_source

    def read_then_change(uri):
        content = reading(uri)
        source.write_bytes(b"changed")
        return content

    monkeypatch.setattr(retrain, "read_source", read_then_change)
    propose(repository, day(0))
    snapshot = Snapshot(read(repository))
    assert snapshot.data_snapshot(day(0).path).bytes == 19


def test_source_that_has_gone_leaves_nothing(repository, source):
    source.unlink()
    before = repository.fetch()
    with pytest.raises(PipelineError, match="is not there; correct the address"):
        propose(repository, day(0))
    assert repository.fetch() == before


def test_push_that_is_refused_leaves_nothing_and_the_next_one_goes_on(repository, tmp_path):
    hook = tmp_path / "origin.git/hooks/pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(PipelineError, match="refuses the push to main"):
        propose(repository, day(0))
    hook.unlink()
    assert propose(repository, day(0)).state == State.WAITING


def test_remote_that_is_away_is_one_line(repository, tmp_path):
    (tmp_path / "origin.git").rename(tmp_path / "away.git")
    with pytest.raises(PipelineError) as error:
        propose(repository, day(0))
    assert len(str(error.value).splitlines()) == 1


def test_budget_that_does_not_suffice_stops_a_proposal(repository):
    files = read(repository)
    path = "environments/local/environment.yaml"
    text = files[path].decode()
    monthly = text[text.index("monthly: ") :].split()[1].strip("},")
    files[path] = text.replace(f"monthly: {monthly}", "monthly: 0").encode()
    commit(repository, files)
    before = repository.fetch()
    with pytest.raises(InvalidDocumentsError, match="budget"):
        propose(repository, day(0))
    assert repository.fetch() == before


def test_experiment_that_is_gone_ends_its_intervals(repository):
    files = read(repository)
    commit(
        repository,
        {path: raw for path, raw in files.items() if not path.startswith(f"experiments/{NAME}/")},
    )
    assert propose(repository, day(0)).state == State.GONE


def test_another_broken_document_is_in_nobodys_way(repository):
    files = read(repository)
    commit(repository, {**files, "experiments/weak/experiment.yaml": b"kind: [\n"})
    assert propose(repository, day(0)).state == State.WAITING


def test_interval_that_is_due_is_the_last_of_the_schedule(repository, monkeypatch):
    snapshot = Snapshot(read(repository))
    due = due_interval(snapshot, NAME)
    assert due.name.endswith("T0000Z")
    assert 0 <= (datetime.now(UTC) - due.moment).total_seconds() <= 86_400
    with pytest.raises(PipelineError, match="good has no schedule; add one"):
        due_interval(snapshot, "good")


def test_command_says_how_the_interval_stands(repository, capsys):
    def call(*options):
        return main(["retrain", NAME, "--repo", str(repository.path), *options])

    assert call("--interval", day(0).name) == 0
    assert f"{NAME} {day(0).name}: waiting; its data is not prepared yet" in capsys.readouterr().out
    end(repository)
    assert call("--interval", day(0).name, "--wait") == 0
    assert f"{NAME} {day(0).name}: promoted; " in capsys.readouterr().out


def test_command_that_names_no_interval_or_experiment_is_told(repository, capsys):
    with pytest.raises(SystemExit):
        main(["retrain", NAME, "--repo", str(repository.path), "--interval", "yesterday"])
    assert "must be a minute in UTC such as" in capsys.readouterr().err
    assert main(["retrain", "nobody", "--repo", str(repository.path)]) == 2
    assert "experiment 'nobody' is not on the branch; known are" in capsys.readouterr().err


def test_watch_sees_what_becomes_of_many_intervals(repository, source):
    watch = IntervalWatch(repository)
    days = [day(number) for number in range(3)]
    for number, content in enumerate([b"a", b"b"]):
        source.write_bytes(content)
        propose(repository, day(number))
        waiting = watch.standings(days)
        assert waiting[day(number)].state == State.WAITING
        end(repository)
    states = [standing.state for standing in watch.standings(days).values()]
    assert states == [State.SUCCEEDED, State.SUCCEEDED, State.OPEN]


def test_watch_waits_where_an_experiment_cannot_be_read(repository):
    propose(repository, day(0))
    files = read(repository)
    commit(repository, {**files, PATH: b"kind: [\n"})
    (made,) = IntervalWatch(repository).standings([day(0)]).values()
    assert made.state == State.WAITING
    assert made.reason.startswith(PATH)


def test_clone_of_ones_own_is_made_from_variables(repository, tmp_path):
    variables = {
        "ML_PIPELINE_ORIGIN": str(tmp_path / "origin.git"),
        "ML_PIPELINE_WORK": str(tmp_path / "work"),
    }
    clone = open_clone_of(variables)
    assert propose(clone, day(0)).state == State.WAITING
    assert propose(open_clone_of(variables), day(0)).state == State.WAITING
    with pytest.raises(PipelineError, match="ML_PIPELINE_ORIGIN and ML_PIPELINE_WORK must be set"):
        open_clone_of({})
