"""Invariants 4 and 5: whatever people promote, edit, revert and take back, and whatever automation steps, a plain
`git revert` of the newest standing promotion applies cleanly and builds, byte for byte, what served before it; no run
gets more traffic than a person declared without a rollout of its own passing; what automation took out stays out."""

import random
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from ml_pipeline.adapters.files import write_changes
from ml_pipeline.adapters.git.repository import AUTOMATION
from ml_pipeline.adapters.kustomize import build
from ml_pipeline.documents.changes import Changes
from ml_pipeline.documents.promotion import Resources, Rollout
from ml_pipeline.documents.snapshot import Snapshot, load_snapshot
from ml_pipeline.documents.writer import to_document
from ml_pipeline.environments.embedded.records import status_of
from ml_pipeline.layout import promotion_path
from ml_pipeline.rules.automation.observed import Observed
from ml_pipeline.rules.automation.plan import plan
from ml_pipeline.rules.identity.hashes import digest_of
from ml_pipeline.rules.identity.served import Serving, serving_of
from ml_pipeline.rules.identity.weights import first_step
from ml_pipeline.rules.proposals.promotion import PromotionRequest, promotion_changes
from ml_pipeline.rules.render.serving import serving_overlay

from tests.conftest import git
from tests.support.simulate import serving_status, settle

SERVED = (
    "base/serving/",
    "environments/local/serving/digits/",
    "environments/local/rollouts/digits/",
)
_built: dict[str, bytes] = {}


def inputs(repo: Path) -> dict[str, bytes]:
    return {
        p: (repo / p).read_bytes()
        for p in git(repo, "ls-files").splitlines()
        if p.startswith(SERVED)
    }


def built(repo: Path) -> bytes | None:
    """What kustomize builds for the model; None where it is not promoted. Equal trees are built once."""
    files = inputs(repo)
    if "environments/local/serving/digits/kustomization.yaml" not in files:
        return None
    key = digest_of({path: raw.decode() for path, raw in files.items()})
    if key not in _built:
        _built[key] = build(repo / "environments/local/serving/digits")
    return _built[key]


@dataclass(frozen=True)
class Standing:
    """A person's commit that stands. `before` is what kustomize built before it; None for one that left the rollout as
    it was, whose revert takes back no step of automation."""

    revision: str
    before: bytes | None
    promoted: bool


@dataclass
class History:
    """A branch on which people promote, edit, revert and take reverts back, and automation steps."""

    repo: Path
    choose: random.Random
    standing: list[Standing] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)
    aborted: set[str] = field(default_factory=set)
    reverted: tuple[str, Standing, dict[str, int]] | None = None

    def files(self) -> dict[str, bytes]:
        return {p: (self.repo / p).read_bytes() for p in git(self.repo, "ls-files").splitlines()}

    def serving(self) -> Serving | None:
        return serving_of(Snapshot(self.files()), "local", "digits")

    def commit(self, changes: Changes, message: str, author: str) -> str:
        write_changes(self.repo, changes)
        git(self.repo, "add", "--all")
        git(
            self.repo,
            "commit",
            "--quiet",
            f"--author={author} <a@example.com>",
            "--message",
            message,
        )
        return git(self.repo, "rev-parse", "HEAD")

    def promote(self) -> None:
        """Any run, with any steps or conditions; twice in a row says the second time that nothing changes."""
        snapshot = load_snapshot(self.files())
        runs = [
            run
            for run in snapshot.runs.values()
            if run.outcome == "succeeded" and run.gates[0].passed
        ]
        given = self.choose.choice(
            [{}, {"steps": (10, 50, 100)}, {"steps": (1, 100)}, {"steps": (100,)}]
        )
        more = self.choose.choice([{}, {}, {"min_requests": self.choose.randint(1, 900)}])
        asked = PromotionRequest(self.choose.choice(runs), "local", Rollout(**given, **more))
        old = self.serving()
        proposal = promotion_changes(snapshot, asked, self.asked)
        if not proposal.changes:
            return
        before = built(self.repo)
        revision = self.commit(proposal.changes, proposal.message, "Ada")
        new = self.serving()
        if old and old.rollout == new.rollout:
            assert new.weights == old.weights, "new conditions move no traffic"
        else:
            self.begins(old, new)
        self.standing.append(
            Standing(revision, before, promoted=not old or old.rollout != new.rollout)
        )
        self.reverted = None
        again = promotion_changes(load_snapshot(self.files()), asked, self.asked)
        assert not again.changes

    def begins(self, old: Serving | None, new: Serving) -> None:
        """A promotion is a new rollout at its declared first step, over what serves."""
        assert new.rollout not in self.asked
        self.asked.add(new.rollout)
        assert new.weights == first_step(new.promotion)
        if old is None or new.share == 100:
            assert new.promotion.baseline is None or new.promotion.rollout.steps == (100,)
        else:
            assert new.share == new.promotion.rollout.steps[0]
            assert new.promotion.baseline == max(old.weights, key=lambda run: old.weights[run])

    def edit_memory(self) -> None:
        """By hand, at any moment; no traffic moves, and nothing that was taken out comes back."""
        old = self.serving()
        if old is None:
            return
        resources = Resources(memory=f"{self.choose.randint(1, 5)}Gi")
        promotion = old.promotion.model_copy(update={"resources": resources})
        files = self.files()
        path = promotion_path("local", "digits")
        document = {path: to_document(path, promotion)}
        changes = Changes(document | serving_overlay(Snapshot(files | document), "local", "digits"))
        if not any(files.get(path) != raw for path, raw in changes.write.items()):
            return
        before = built(self.repo)
        revision = self.commit(changes, "More memory", "Ada")
        assert (self.serving().rollout, self.serving().weights) == (old.rollout, old.weights)
        self.standing.append(Standing(revision, before, promoted=False))
        self.reverted = None

    def step(self) -> None:
        """Automation moves the rollout that the branch asks for, by what was measured, or takes its run out."""
        old = self.serving()
        if old is None:
            return
        status = serving_status(self.files())
        if bad := self.choose.random() < 0.3:
            status["evidence"][-1]["errors"] = 900
        observed = Observed("local", serving={"digits": status_of(status)})
        for due in plan(load_snapshot(self.files()), observed):
            self.commit(due.changes, due.message, AUTOMATION[0])
            new = self.serving()
            assert new.rollout == old.rollout
            assert old.rollout not in self.aborted, "what was taken out comes back by nobody's word"
            steps = old.promotion.rollout.steps
            if bad:
                assert new.weights == {old.promotion.baseline: 100}
                self.aborted.add(old.rollout)
            else:
                assert new.share == next(step for step in steps if step > old.share)

    def revert(self) -> None:
        if not self.standing:
            return
        newest, weights = self.standing.pop(), self.serving().weights
        git(self.repo, "revert", "--no-edit", newest.revision)
        if newest.promoted:
            assert built(self.repo) == newest.before
        else:
            assert self.serving().weights == weights, "only the edit is taken back"
        load_snapshot(self.files())
        self.reverted = (git(self.repo, "rev-parse", "HEAD"), newest, weights)

    def take_the_revert_back(self) -> None:
        """The promotion comes back where its rollout had got to."""
        if self.reverted is None:
            return
        revision, newest, weights = self.reverted
        before = built(self.repo)
        git(self.repo, "revert", "--no-edit", revision)
        if newest.promoted:
            assert self.serving().weights == weights
        revision = git(self.repo, "rev-parse", "HEAD")
        self.standing.append(replace(newest, revision=revision, before=before))
        self.reverted = None


def play(folder: Path, seed: int, files: dict[str, bytes]) -> int:
    """One random history; the number of reverts in it."""
    history = History(folder / str(seed), random.Random(seed))
    git(folder, "init", "--quiet", str(seed))
    history.commit(Changes(files), "Begin", "Ada")
    reverts = 0
    actions = [history.promote] * 4 + [history.step] * 5 + [history.revert] * 2
    actions += [history.edit_memory, history.take_the_revert_back]
    for _ in range(history.choose.randint(8, 16)):
        action = history.choose.choice(actions)
        reverts += action == history.revert and bool(history.standing)
        action()
    while history.standing:
        history.revert()
        reverts += 1
    assert built(history.repo) is None
    return reverts


@pytest.fixture
def begin(files) -> dict[str, bytes]:
    """The settled tree in which nothing is promoted, automation's components open."""
    person = ("environments/local/promotions/", "environments/local/serving/digits/")
    return {path: raw for path, raw in settle(files).items() if not path.startswith(person)}


def test_reverts_of_random_histories_apply_and_build_what_was(tmp_path, begin):
    assert sum(play(tmp_path, seed, begin) for seed in range(12)) >= 12


@pytest.mark.slow
def test_reverts_of_two_hundred_random_histories(tmp_path, begin, capsys):
    with ThreadPoolExecutor(2) as pool:
        reverts = sum(pool.map(lambda seed: play(tmp_path, seed, begin), range(1000, 1200)))
    with capsys.disabled():
        print(f"\n200 random histories, {reverts} reverts: all clean, all built what served before")


def test_conflict_would_be_seen(tmp_path, begin):
    """The property can fail: a pen that writes into the other's file breaks the revert."""
    history = History(tmp_path / "0", random.Random(1))
    git(tmp_path, "init", "--quiet", "0")
    history.commit(Changes(begin), "Begin", "Ada")
    while not history.standing:
        history.promote()
    path = "environments/local/serving/digits/promotion/seldondeployment.yaml"
    history.commit(
        Changes({path: b"# edited by automation\n" + (history.repo / path).read_bytes()}),
        "Step on a toe",
        "ml-pipeline",
    )
    with pytest.raises(subprocess.CalledProcessError):
        git(history.repo, "revert", "--no-edit", history.standing[-1].revision)
