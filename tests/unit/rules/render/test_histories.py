"""Invariant 4 for everything that people commit: whatever else was merged and whatever automation has done since, a plain
`git revert` of a person's commit applies cleanly, with git's rename detection on, and one pass brings the overlays right.

`HISTORIES` sets the number of random histories of the slow test, 100 without it.
"""

import os
import random
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ml_pipeline.adapters.files import write_changes
from ml_pipeline.adapters.git.repository import AUTOMATION
from ml_pipeline.documents.changes import Changes, applied
from ml_pipeline.documents.promotion import Rollout
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.environments.embedded.records import status_of
from ml_pipeline.rules.automation.branch import Branch
from ml_pipeline.rules.automation.observed import Observed
from ml_pipeline.rules.automation.plan import plan
from ml_pipeline.rules.identity.hashes import data_identity
from ml_pipeline.rules.proposals.promotion import PromotionRequest, promotion_changes
from ml_pipeline.rules.render.drift import drift
from ml_pipeline.rules.render.training import training_overlays
from ml_pipeline.rules.review.faults import checked_snapshot

from tests.conftest import git
from tests.support.simulate import PREPARED, finished, serving_status, trained

TEMPLATE = "experiments/waiting/experiment.yaml"
BASE = "base/training-job/job.yaml"
SEEDED = 1_000


@dataclass(frozen=True)
class Commit:
    """A person's commit that stands: what it touched, and whether it is a merge."""

    sha: str
    touched: frozenset[str]
    merge: bool = False


@dataclass
class History:
    """A branch on which people add, change, promote and revert, and automation prepares, trains, fails and steps."""

    repo: Path
    choose: random.Random
    standing: list[Commit] = field(default_factory=list)
    number: int = 0

    def files(self) -> dict[str, bytes]:
        return {p: (self.repo / p).read_bytes() for p in git(self.repo, "ls-files").splitlines()}

    def commit(self, changes: Changes, message: str, author: str = "Ada") -> str:
        write_changes(self.repo, changes)
        git(self.repo, "add", "--all")
        git(self.repo, "commit", "-q", f"--author={author} <a@example.com>", "-m", message)
        return git(self.repo, "rev-parse", "HEAD")

    def written(self, documents: dict[str, bytes], *gone: str) -> Changes:
        """What a person commits: documents, and the overlays that follow from them."""
        changes = Changes(documents, frozenset(gone))
        return changes | drift(checked_snapshot(applied(self.files(), changes)))

    def experiment(self) -> tuple[str, bytes]:
        """A new experiment, often on data that another has asked for, often named like what automation makes."""
        self.number += 1
        name = self.choose.choice(["data", "data-x", "e", "train-data"]) + f"-{self.number}"
        source = self.choose.choice(["digits}", "wine}", "iris, holdout: 0.3}"])
        text = (self.repo / TEMPLATE).read_text().replace("name: waiting", f"name: {name}")
        text = text.replace("seed: 7", f"seed: {self.choose.randint(10, 10**6)}")
        return f"experiments/{name}/experiment.yaml", text.replace("digits}", source).encode()

    def stand(self, sha: str, touched: set[str], *, merge: bool = False) -> None:
        self.standing.append(Commit(sha, frozenset(touched), merge))

    def add(self) -> None:
        path, raw = self.experiment()
        self.stand(self.commit(self.written({path: raw}), "Add"), {path})

    def squash(self) -> None:
        documents = dict([self.experiment(), self.experiment()])
        self.stand(self.commit(self.written(documents), "Add two (#1)"), set(documents))

    def merge(self) -> None:
        """A branch with two commits, merged after the branch that counts has gone on."""
        git(self.repo, "checkout", "-q", "-b", "topic")
        path, raw = self.experiment()
        self.commit(self.written({path: raw}), "Add")
        raw = raw.replace(b"seed: ", b"seed: 1")
        self.commit(self.written({path: raw}), "Try another seed")
        git(self.repo, "checkout", "-q", "main")
        self.add()
        git(self.repo, "merge", "-q", "--no-ff", "-m", "Merge topic", "topic")
        git(self.repo, "branch", "-q", "-D", "topic")
        self.stand(git(self.repo, "rev-parse", "HEAD"), {path}, merge=True)

    def some_experiment(self) -> str | None:
        paths = sorted(p for p in self.files() if "/e-" in p and p.endswith("/experiment.yaml"))
        return self.choose.choice(paths) if paths else None

    def rename(self) -> None:
        """To git a folder that moved, into whose old place automation goes on to write receipts."""
        path = self.some_experiment()
        if path:
            old = path.split("/")[1]
            new = f"{old}-too"
            raw = (self.repo / path).read_text().replace(f"name: {old}\n", f"name: {new}\n")
            there = path.replace(old, new)
            changes = self.written({there: raw.encode()}, path)
            self.stand(self.commit(changes, "Rename"), {path, there})

    def edit(self) -> None:
        """Another seed is another run; more memory or another owner is another Job of the same run."""
        path = self.some_experiment()
        if path is None:
            return
        key, values, unit = self.choose.choice(
            [("seed", range(10**6), ""), ("memory", range(1, 6), "Gi"), ("owner", range(9), "a")]
        )
        old = (self.repo / path).read_text()
        new = re.sub(rf"{key}: \w+", f"{key}: {self.choose.choice(values)}{unit}", old)
        if new != old:
            self.stand(self.commit(self.written({path: new.encode()}), "Edit"), {path})

    def change_base(self) -> None:
        """Another template for every Job that waits, in the overlays of others too."""
        raw = (self.repo / BASE).read_bytes()
        limit = f"backoffLimit: {self.choose.randint(4, 10**6)}".encode()
        changes = self.written({BASE: re.sub(rb"backoffLimit: \d+", limit, raw)})
        self.stand(self.commit(changes, "Change base"), {BASE})

    def promote(self) -> None:
        snapshot = load_snapshot(self.files())
        runs = [r for r in snapshot.runs.values() if r.artifact and r.gates[0].passed]
        steps = Rollout(steps=self.choose.choice([(10, 50, 100), (100,)]))
        proposal = promotion_changes(
            snapshot, PromotionRequest(self.choose.choice(runs), "local", steps)
        )
        if proposal.changes:
            path = "environments/local/promotions/digits.yaml"
            self.stand(self.commit(proposal.changes, proposal.message), {path})

    def automation(self) -> None:
        """A pass after which some of what was awaited has finished, and some has failed."""
        files = self.files()
        snapshot = load_snapshot(files)
        data = {data_identity(e) for e in snapshot.experiments.values()}
        results, failed = {}, {}
        for identity in sorted(Branch(snapshot).awaited("local")):
            fate = self.choose.random()
            if fate < 0.1 and identity not in data:
                failed[identity[:10]] = "exit code 42"
            elif fate < 0.6:
                stored = {"uri": f"data/{identity}.npz", "sha256": identity, "bytes": 10}
                prepared = {**PREPARED, "data": stored}
                receipt = prepared if identity in data else trained(identity)
                results[identity] = finished(receipt)
        serving = {}
        if "environments/local/promotions/digits.yaml" in files:
            serving = {"digits": status_of(serving_status(files))}
        seen = Observed("local", results, failed, serving)
        for step in plan(snapshot, seen):
            self.commit(step.changes, step.message, AUTOMATION[0])

    def revert(self) -> None:
        """Take out any commit on whose documents no other stands, and perhaps put it back."""
        free = [
            commit
            for number, commit in enumerate(self.standing)
            if not any(commit.touched & later.touched for later in self.standing[number + 1 :])
        ]
        if not free:
            return
        commit = self.choose.choice(free)
        self.standing.remove(commit)
        parent = ["-m", "1"] if commit.merge else []
        git(self.repo, "revert", "--no-edit", *parent, commit.sha)
        back = git(self.repo, "rev-parse", "HEAD")
        self.one_pass()
        if self.choose.random() < 0.2:
            git(self.repo, "revert", "--no-edit", back)
            self.stand(git(self.repo, "rev-parse", "HEAD"), set(commit.touched))
            self.one_pass()

    def one_pass(self) -> None:
        """One pass of automation, which observes nothing, and no overlay is missing, stale or too many."""
        for step in plan(load_snapshot(self.files()), Observed("local")):
            self.commit(step.changes, step.message, AUTOMATION[0])
        files = self.files()
        there = {path: raw for path, raw in files.items() if "/local/training/" in path}
        assert there == training_overlays(load_snapshot(files))


def play(folder: Path, seed: int, files: dict[str, bytes]) -> int:
    """One random history; the number of reverts in it."""
    history = History(folder / str(seed), random.Random(seed))
    git(folder, "init", "--quiet", "--initial-branch=main", str(seed))
    history.commit(Changes(files), "Begin")
    common = [history.add, history.edit, history.automation, history.automation, history.revert]
    rare = [history.squash, history.merge, history.change_base, history.promote, history.rename]
    reverts = 0
    for _ in range(history.choose.randint(8, 14)):
        action = history.choose.choice([*common, *common, *rare])
        reverts += action == history.revert and bool(history.standing)
        action()
    while history.standing:
        history.revert()
        reverts += 1
    assert not [path for path in history.files() if "/e-" in path and "experiment.yaml" in path]
    return reverts


@pytest.fixture
def begin(files) -> dict[str, bytes]:
    """A tree with its overlays, in which nothing is promoted."""
    person = ("environments/local/promotions/", "environments/local/serving/digits/")
    tree = {path: raw for path, raw in files.items() if not path.startswith(person)}
    return applied(tree, drift(load_snapshot(tree)))


def test_reverts_of_random_histories_are_clean(tmp_path, begin):
    assert sum(play(tmp_path, seed, begin) for seed in range(6)) >= 6


@pytest.mark.slow
def test_reverts_of_many_random_histories_are_clean(tmp_path, begin, say):
    count = int(os.environ.get("HISTORIES", "100"))
    with ThreadPoolExecutor(2) as pool:
        seeds = range(SEEDED, SEEDED + count)
        reverts = sum(pool.map(lambda seed: play(tmp_path, seed, begin), seeds))
    say(f"{count} random histories, {reverts} reverts: 0 conflicts")


@pytest.mark.parametrize("moment", ["preparing", "training", "settled"])
def test_cancelling_is_clean_at_any_moment(tmp_path, begin, moment):
    """The documented way to cancel, at each moment of a run's life, with another experiment that trains beside it."""
    history = History(tmp_path / "0", random.Random(1))
    git(tmp_path, "init", "--quiet", "--initial-branch=main", "0")
    history.commit(Changes(begin), "Begin")
    path, raw = history.experiment()
    added = history.commit(history.written({path: raw.replace(b"digits}", b"wine}")}), "Add")
    other = history.experiment()
    history.commit(history.written(dict([other])), "Add another")
    for _ in range(["preparing", "training", "settled"].index(moment)):
        history.choose.random = lambda: 0.5
        history.automation()
    git(history.repo, "revert", "--no-edit", added)
    history.one_pass()
    assert not (history.repo / path).exists()
    name = path.split("/")[1]
    assert not [p for p in history.files() if f"/training/{name}-" in p]


def test_conflict_would_be_seen(tmp_path, begin):
    """The property can fail: what somebody changes in place is in the way of a revert of what it was before."""
    history = History(tmp_path / "0", random.Random(1))
    git(tmp_path, "init", "--quiet", "--initial-branch=main", "0")
    history.commit(Changes(begin), "Begin")
    history.add()
    (path, *_) = git(history.repo, "diff", "--name-only", "HEAD~").splitlines()
    raw = (history.repo / path).read_bytes()
    history.commit(Changes({path: raw + b"# changed\n"}), "Step on a toe", AUTOMATION[0])
    with pytest.raises(subprocess.CalledProcessError):
        git(history.repo, "revert", "--no-edit", history.standing[-1].sha)
