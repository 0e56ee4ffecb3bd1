"""Invariant 4: whatever people promote and automation steps, a plain `git revert` of the newest standing promotion
applies cleanly and builds, byte for byte, what served before it."""

import random
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ml_pipeline.adapters.files import write_changes
from ml_pipeline.adapters.git import AUTOMATION
from ml_pipeline.adapters.kustomize import build
from ml_pipeline.documents.promotion import Rollout
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.rules.identity import digest_of
from ml_pipeline.rules.observed import Observed
from ml_pipeline.rules.promotion import promotion_changes
from ml_pipeline.rules.reconcile import plan
from ml_pipeline.rules.render import Changes

from tests.conftest import git
from tests.simulate import serving_status, settle

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


@dataclass
class History:
    """A branch on which people promote and revert, and automation steps."""

    repo: Path
    choose: random.Random
    standing: list[tuple[str, bytes | None]] = field(default_factory=list)

    def files(self) -> dict[str, bytes]:
        return {p: (self.repo / p).read_bytes() for p in git(self.repo, "ls-files").splitlines()}

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
        snapshot = load_snapshot(self.files())
        runs = [
            run
            for run in snapshot.runs.values()
            if run.outcome == "succeeded" and run.gates[0].passed
        ]
        steps = self.choose.choice([(10, 50, 100), (1, 100), (100,)])
        changes, message = promotion_changes(
            snapshot, self.choose.choice(runs), "local", Rollout(steps=steps)
        )
        if changes:
            before = built(self.repo)
            self.standing.append((self.commit(changes, message, "Ada"), before))

    def step(self) -> None:
        files = self.files()
        if "environments/local/promotions/digits.yaml" not in files:
            return
        status = serving_status(files)
        if self.choose.random() < 0.3:
            status["evidence"][-1]["errors"] = 900
        for step in plan(load_snapshot(files), Observed("local", serving={"digits": status})):
            self.commit(step.changes, step.message, AUTOMATION[0])

    def revert(self) -> None:
        if self.standing:
            revision, before = self.standing.pop()
            git(self.repo, "revert", "--no-edit", revision)
            assert built(self.repo) == before
            load_snapshot(self.files())


def play(folder: Path, seed: int, files: dict[str, bytes]) -> int:
    """One random history; the number of reverts in it."""
    history = History(folder / str(seed), random.Random(seed))
    git(folder, "init", "--quiet", str(seed))
    history.commit(Changes(files), "Begin", "Ada")
    reverts = 0
    for _ in range(history.choose.randint(6, 12)):
        action = history.choose.choice(
            [
                history.promote,
                history.promote,
                history.step,
                history.step,
                history.step,
                history.revert,
            ]
        )
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
        git(history.repo, "revert", "--no-edit", history.standing[-1][0])
