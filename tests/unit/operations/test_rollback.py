"""Rolling back with real git: pushes, squashes, reverts, what automation steps in between, what others break."""

import shutil
from pathlib import Path

import pytest
from ml_pipeline.adapters.files import write_changes
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.cli import main
from ml_pipeline.documents.changes import Changes
from ml_pipeline.documents.snapshot import Snapshot, load_snapshot
from ml_pipeline.environments.embedded.records import status_of
from ml_pipeline.rules.automation.observed import Observed
from ml_pipeline.rules.automation.plan import plan
from ml_pipeline.rules.identity.served import Serving, serving_of
from ml_pipeline.rules.render.drift import drift

from tests.conftest import git
from tests.support.simulate import serving_status, settle

GOOD, BETTER = "good/31a4e76e1a", "better/c39d9a14b0"
PATH = "environments/local/promotions/digits.yaml"
BROKEN = "experiments/weak/experiment.yaml"


@pytest.fixture
def fresh(tmp_path, files):
    """A clone of a bare repository in which three runs may serve and none was ever promoted."""
    mine = ("environments/local/promotions/", "environments/local/serving/digits/")
    begin = {path: raw for path, raw in settle(files).items() if not path.startswith(mine)}
    clone = tmp_path / "clone"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", "origin.git")
    git(tmp_path, "clone", "--quiet", "origin.git", "clone")
    write_changes(clone, Changes(begin))
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--message", "Begin")
    git(clone, "push", "--quiet", "origin", "HEAD:main")
    git(clone, "remote", "set-url", "origin", "../origin.git")
    return clone


def change(team, make, message: str) -> str:
    """A commit on the branch that counts; `make` takes its files."""
    repository = Repository(team)
    parent = repository.fetch()
    revision = repository.commit(parent, make(repository.read(parent)), message)
    repository.push(revision, parent)
    return revision


def promote(team, name: str, *options: str) -> None:
    assert main(["promote", "--repo", str(team), name, *options]) == 0


def rollback(team, *options: str) -> int:
    return main(["rollback", "--repo", str(team), "digits", *options])


def files_of(team) -> dict[str, bytes]:
    repository = Repository(team)
    return repository.read(repository.fetch())


def serving(team) -> Serving | None:
    return serving_of(Snapshot(files_of(team)), "local", "digits")


def served(team) -> dict[str, int]:
    found = serving(team)
    return found.weights if found else {}


def step(team, errors: int = 0) -> None:
    """Automation's next step on the branch."""

    def make(files) -> Changes:
        status = serving_status(files)
        status["evidence"][-1]["errors"] = errors
        (due,) = plan(
            load_snapshot(files), Observed("local", serving={"digits": status_of(status)})
        )
        return due.changes

    change(team, make, "Step")


def head(team, form: str = "%B") -> str:
    git(team, "fetch", "--quiet", "origin")
    return git(team, "log", "-1", f"--format={form}", "origin/main")


_kept: dict[Path, tuple[dict[str, int], ...]] = {}


@pytest.fixture
def three(fresh, tmp_path_factory) -> tuple[dict[str, int], ...]:
    """Three promotions, each finished; what served after each. Made once, and copied for each test."""
    if not _kept:
        seen = []
        for name in ("good", "better", "waiting"):
            promote(fresh, name, "--steps", "50,100")
            if seen:
                step(fresh)
            seen.append(served(fresh))
        copy = tmp_path_factory.mktemp("kept") / "three"
        shutil.copytree(fresh.parent, copy)
        _kept[copy] = tuple(seen)
    ((copy, weights),) = _kept.items()
    shutil.rmtree(fresh.parent)
    shutil.copytree(copy, fresh.parent)
    return weights


def test_twice_goes_back_two_promotions_and_three_times_three(fresh, three):
    rollback(fresh)
    assert served(fresh) == three[1]
    rollback(fresh)
    assert served(fresh) == three[0]
    rollback(fresh)
    assert served(fresh) == {}


def test_what_is_left_is_what_documents_ask_for(fresh, three):
    for _ in range(3):
        rollback(fresh)
        assert not drift(load_snapshot(files_of(fresh)))


def test_commit_that_is_a_plain_revert_says_so(fresh, three):
    newest = git(fresh, "log", "-1", "--format=%H", "origin/main", "--", PATH)
    rollback(fresh)
    assert (
        head(fresh).strip()
        == f'Revert "Promote digits to {serving_run(fresh)} in local"\n\nThis reverts commit {newest}.'
    )


def serving_run(team) -> str:
    """The run that the commit before the newest promoted."""
    return git(team, "show", f"origin/main^:{PATH}").split("run: ")[1].split("\n")[0]


def test_what_it_commits_is_what_git_reverts(fresh, three):
    """The commit that claims to be a revert equals the one of git, tree for tree."""
    git(fresh, "checkout", "--quiet", "--detach", "origin/main")
    newest = git(fresh, "log", "-1", "--format=%H", "--", PATH)
    git(fresh, "revert", "--no-edit", newest)
    rollback(fresh)
    assert head(fresh, "%T") == git(fresh, "rev-parse", "HEAD^{tree}")


def test_rollback_after_another_one_names_no_commit_that_it_does_not_revert(fresh, three):
    rollback(fresh)
    rollback(fresh)
    assert head(fresh).startswith(f"Roll back digits in local to {GOOD}\n\n")
    assert "This reverts" not in head(fresh)


def test_reverts_of_people_count(fresh, three):
    """A web page's revert, squashed or not: contents decide."""
    git(fresh, "pull", "--quiet", "origin", "main")
    git(fresh, "revert", "--no-edit", git(fresh, "log", "-1", "--format=%H", "--", PATH))
    git(fresh, "commit", "--quiet", "--amend", "--message", "Fix the incident (#17)")
    git(fresh, "push", "--quiet", "origin", "HEAD:main")
    assert served(fresh) == three[1]
    rollback(fresh)
    assert served(fresh) == three[0]


def test_promotion_after_a_rollback_is_what_the_next_one_takes_out(fresh, three):
    rollback(fresh)
    promote(fresh, "waiting", "--steps", "50,100")
    rollback(fresh)
    assert served(fresh) == three[1]
    rollback(fresh)
    assert served(fresh) == three[0]


def test_there_and_back_at_once_is_four_promotions(fresh):
    """The same run over the same baseline with the same steps is asked for twice; each is a promotion of its own."""
    promote(fresh, "good")
    for name in ("better", "good", "better"):
        promote(fresh, name, "--steps", "100")
    seen = []
    for _ in range(4):
        rollback(fresh)
        seen.append(served(fresh))
    assert seen == [{GOOD: 100}, {BETTER: 100}, {GOOD: 100}, {}]


def test_first_promotion_taken_out_says_that_nothing_serves(fresh, capsys):
    promote(fresh, "good")
    rollback(fresh)
    assert "nothing serves it any more" in capsys.readouterr().out
    assert not any("/serving/digits/" in path for path in files_of(fresh))


def test_nothing_is_left_to_roll_back(fresh, capsys):
    promote(fresh, "good")
    rollback(fresh)
    assert rollback(fresh) == 2
    assert "'digits' is not promoted in local" in capsys.readouterr().err


def test_rollout_is_taken_out_at_any_step(fresh):
    promote(fresh, "good")
    promote(fresh, "better")
    step(fresh)
    assert served(fresh) == {GOOD: 50, BETTER: 50}
    rollback(fresh)
    assert served(fresh) == {GOOD: 100}


def test_new_conditions_and_other_memory_are_no_promotion(fresh):
    """At night the candidate has to go, not the last word about it."""
    promote(fresh, "good")
    promote(fresh, "better")
    promote(fresh, "better", "--min-requests", "20")
    memory = (b"memory: 2Gi", b"memory: 3Gi")
    change(fresh, lambda files: Changes({PATH: files[PATH].replace(*memory)}), "More memory")
    rollback(fresh)
    assert served(fresh) == {GOOD: 100}


def test_another_try_of_the_same_run_is_no_way_back_from_it(fresh):
    """Its first try had 50 % of the traffic: going back to that would give the candidate more."""
    promote(fresh, "good")
    promote(fresh, "better")
    step(fresh)
    promote(fresh, "better", "--steps", "1,100")
    rollback(fresh)
    assert served(fresh) == {GOOD: 100}


def test_aborted_promotion_is_taken_out_like_another(fresh):
    promote(fresh, "good")
    promote(fresh, "better")
    step(fresh, errors=900)
    promote(fresh, "better")
    rollback(fresh)
    assert (serving(fresh).promotion.run, served(fresh)) == (GOOD, {GOOD: 100})


def test_promotion_written_by_hand_is_taken_out(fresh):
    promote(fresh, "good")

    def by_hand(files) -> Changes:
        text = files[PATH].decode().replace(GOOD, BETTER)
        return Changes({PATH: f"# I know better\n{text}".encode()})

    change(fresh, by_hand, "Serve better at once")
    assert served(fresh) == {BETTER: 100}
    rollback(fresh)
    assert served(fresh) == {GOOD: 100}


@pytest.mark.parametrize(
    "broken",
    [
        {BROKEN: b"kind: Experiment\n"},
        {BROKEN: b"<<<<<<< HEAD\n"},
        {"environments/staging/environment.yaml": b"\xff\xfe"},
        {"experiments/weak/runs/e96261b1e3.yaml": b"[]\n"},
        {"environments/local/promotions/letters.yaml": b"kind: Promotion\n"},
        {"environments/local/environment.yaml": b"kind: Environment\n"},
    ],
    ids=lambda broken: next(iter(broken)).rpartition("/")[2] + str(len(*broken.values())),
)
def test_other_documents_that_cannot_be_read_are_no_obstacle(fresh, three, broken):
    change(fresh, lambda files: Changes(broken), "Break something")
    assert rollback(fresh) == 0
    assert served(fresh) == three[1]


def test_environment_that_cannot_be_read_leaves_the_branch_to_the_person(fresh, three, capsys):
    """With two remotes the wrong one would be rolled back, and nobody would notice."""
    git(fresh, "remote", "add", "local", "../origin.git")
    broken = {"environments/local/environment.yaml": b"kind: Environment\n"}
    change(fresh, lambda files: Changes(broken), "Break it")
    assert rollback(fresh) == 2
    assert "or name the branch that serves with --remote" in capsys.readouterr().err
    assert rollback(fresh, "--remote", "origin") == 0
    assert served(fresh) == three[1]


def test_promotion_that_cannot_be_read_is_taken_out(fresh, three):
    change(fresh, lambda files: Changes({PATH: b"run: [\n"}), "Break it")
    assert rollback(fresh) == 0
    assert served(fresh) == three[2]


def test_receipt_that_is_gone_leaves_what_was_rendered_then(fresh, three):
    """The overlay says where the model lies and which bytes it has; it comes from history."""
    gone = frozenset({f"experiments/{BETTER.replace('/', '/runs/')}.yaml"})
    change(fresh, lambda files: Changes({}, gone), "Tidy up")
    assert rollback(fresh) == 0
    overlay = "environments/local/serving/digits/promotion/seldondeployment.yaml"
    assert BETTER.encode() in files_of(fresh)[overlay]
    assert served(fresh) == three[1]


def test_changed_image_is_kept(fresh, three):
    """What an environment says now holds also for what served before."""
    path = "environments/local/environment.yaml"
    change(fresh, lambda files: Changes({path: files[path].replace(b"b" * 64, b"e" * 64)}), "Image")
    rollback(fresh)
    overlay = "environments/local/serving/digits/promotion/seldondeployment.yaml"
    assert b"e" * 64 in files_of(fresh)[overlay]
    assert "This reverts" not in head(fresh)


def test_dry_run_says_it_and_pushes_nothing(fresh, three, capsys):
    before = Repository(fresh).fetch()
    assert rollback(fresh, "--dry-run") == 0
    said = capsys.readouterr().out
    assert "would take out waiting/" in said
    assert f"serves 100 % {BETTER}" in said
    assert Repository(fresh).fetch() == before


def test_step_of_automation_meanwhile_is_no_obstacle(fresh, monkeypatch):
    promote(fresh, "good")
    promote(fresh, "better")
    _once_before_the_push(monkeypatch, lambda: step(fresh))
    assert rollback(fresh) == 0
    assert served(fresh) == {GOOD: 100}


def test_promotion_meanwhile_is_not_taken_out(fresh, three, monkeypatch, capsys):
    """Two people roll back at the same time: one promotion goes, not two."""

    def somebody_else() -> None:
        with monkeypatch.context() as other:
            other.setenv("GIT_AUTHOR_NAME", "Bo")
            rollback(fresh)

    _once_before_the_push(monkeypatch, somebody_else)
    assert rollback(fresh) == 2
    assert "was committed meanwhile; look, and run the command again" in capsys.readouterr().err
    assert served(fresh) == three[1]


def _once_before_the_push(monkeypatch, do) -> None:
    push, done = Repository.push, []

    def late(self, revision, expected):
        if not done:
            done.append(True)
            do()
        push(self, revision, expected)

    monkeypatch.setattr(Repository, "push", late)


def test_checkout_and_worktrees_are_left_alone(fresh, three):
    before = git(fresh, "rev-parse", "HEAD")
    rollback(fresh)
    assert git(fresh, "status", "--porcelain") == ""
    assert git(fresh, "rev-parse", "HEAD") == before


def test_shallow_clone_does_not_take_the_past_for_nothing(fresh, three, tmp_path, capsys):
    origin = f"file://{fresh.parent}/origin.git"
    git(tmp_path, "clone", "--quiet", "--depth", "1", origin, "s")
    assert rollback(tmp_path / "s") == 2
    assert "run `git fetch --unshallow`" in capsys.readouterr().err


def test_model_that_is_not_promoted_is_named(fresh, capsys):
    assert main(["rollback", "--repo", str(fresh), "letters"]) == 2
    assert "'letters' is not promoted in local" in capsys.readouterr().err


def test_revert_of_a_revert_brings_a_finished_promotion_back_at_once(fresh, three):
    """It is the same promotion, and its rollout has passed: what `docs/tasks/roll-back.md` says."""
    rollback(fresh)
    git(fresh, "pull", "--quiet", "origin", "main")
    git(fresh, "revert", "--no-edit", "HEAD")
    git(fresh, "push", "--quiet", "origin", "HEAD:main")
    assert served(fresh) == three[2]


def test_revert_of_a_revert_leaves_an_aborted_promotion_out(fresh):
    promote(fresh, "good")
    promote(fresh, "better")
    step(fresh, errors=900)
    rollback(fresh)
    git(fresh, "pull", "--quiet", "origin", "main")
    git(fresh, "revert", "--no-edit", "HEAD")
    git(fresh, "push", "--quiet", "origin", "HEAD:main")
    assert (serving(fresh).promotion.run, served(fresh)) == (BETTER, {GOOD: 100})
