"""A review looks at what a change reaches; whatever the change, it says byte for byte what one that looks at everything says."""

import os
import random

import pytest
from ml_pipeline.adapters.git.comparison import Comparison
from ml_pipeline.documents.changes import applied as with_changes
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.operations import review
from ml_pipeline.rules.render.drift import drift
from ml_pipeline.rules.render.reach import reach_of
from ml_pipeline.rules.review.comment import comment
from ml_pipeline.rules.review.faults import checked_snapshot

from tests.hostile.mutations import Mutant
from tests.support.many import WAITING, rendered, valid_tree
from tests.support.whole import everything, looking_at

SEED = int(os.environ.get("SEED", "13"))
FEW, MANY = 30, int(os.environ.get("MUTATIONS", "150"))
WINE = (("uri: bundled://digits", "uri: bundled://wine"),)
# Experiments that ask for the same run or the same data as others, in both environments.
CROWD = {
    "a-twin": (),
    "z-twin": (("owner: vision", "owner: speech"),),
    "wine-a": WINE,
    "wine-b": (*WINE, ("seed: 7", "seed: 8"), ("a" * 64, "c" * 64)),
    "staged": (("environment: local", "environment: staging"),),
    "spot": (("environment: local", "environment: staging\noptions: [spot]"), *WINE),
}
EDITS = (
    ("memory: 2Gi", "memory: 3Gi"),
    ("memory: 2Gi", "memory: 5Gi"),
    ("seed: 7", "seed: 8"),
    ("seed: 8", "seed: 7"),
    ("owner: vision", "owner: other"),
    ("bundled://digits", "bundled://wine"),
    ("bundled://wine", "bundled://digits"),
    ("environment: local", "environment: staging"),
    ("environment: staging", "environment: local"),
    ("max_duration: 15m", "max_duration: 300d"),
    ("max_cost: 0.05", "max_cost: 0.0001"),
    ("name: ", "name: x"),
    ("cpu: 1", "cpu: 99"),
)


def crowded() -> dict[str, bytes]:
    files = valid_tree()
    for name, edits in CROWD.items():
        files[f"experiments/{name}/experiment.yaml"] = edited(
            files[WAITING], ("name: waiting", f"name: {name}"), *edits
        )
    return rendered(files)


def edited(raw: bytes, *edits: tuple[str, str]) -> bytes:
    text = raw.decode()
    for old, new in edits:
        text = text.replace(old, new)
    return text.encode()


def in_the_crowd(files, numbers: random.Random) -> None:
    """One experiment or overlay among those that ask for the same is edited, copied, removed."""
    experiments = sorted(p for p in files if p.endswith("/experiment.yaml"))
    path, other = numbers.choice(experiments), numbers.choice(experiments)
    doing = numbers.choice(["edit", "edit", "edit", "remove", "copy", "overlay", "comment"])
    if doing == "edit":
        files[path] = edited(files[path], numbers.choice(EDITS))
    elif doing == "remove":
        del files[path]
    elif doing == "copy":
        name = numbers.choice(["aa", "zz"])
        was = other.split("/")[1]
        new = f"experiments/{name}/experiment.yaml"
        files[new] = edited(files[other], (f"name: {was}", f"name: {name}"))
    elif doing == "comment":
        files[path] += b"# a comment\n"
    else:
        overlays = sorted(p for p in files if "/training/" in p and p.count("/") > 3)
        gone = numbers.choice(overlays)
        if numbers.random() < 0.5:
            files[gone] += b"# a comment\n"
        else:
            del files[gone]


def changed_tree(before, numbers: random.Random) -> dict[str, bytes]:
    mutant = Mutant(before, numbers)
    for _ in range(numbers.choice([1, 1, 2, 3])):
        numbers.choice(
            [lambda: in_the_crowd(mutant.files, numbers)] * 3 + [mutant.by_a_person, mutant.change]
        )()
        if not any(path.endswith("/experiment.yaml") for path in mutant.files):
            return dict(before)
    if numbers.random() < 0.6:
        try:
            return with_changes(mutant.files, drift(checked_snapshot(mutant.files)))
        except PipelineError:
            pass
    return mutant.files


class Known:
    """Both sides, as `Revisions` would give them."""

    def __init__(self, before, after) -> None:
        paths = before.keys() | after.keys()
        changed = frozenset(p for p in paths if before.get(p) != after.get(p))
        self.compared = Comparison(before, after, changed, code_differs=False)

    def fork_point(self, base):
        return base

    revision = fork_point

    def restored(self, revision, contents):
        return frozenset()

    def tracked_branches(self, remote):
        return []


def answer(before, after) -> tuple:
    """The comment, and all that it is made of."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(review, "Revisions", lambda *_, **__: Known(before, after))
        patch.setattr(review, "with_working_tree", lambda known, _: known.compared)
        found = review.review(None, review.Merge("main"))
    told, changes = found.difference.consequences, found.difference.objects
    text = comment(told, changes, found.checks, notes=found.notes, hints=found.hints)
    return text, found.checks, told, changes, found.notes, found.hints


def run(count: int, say) -> None:
    numbers, before = random.Random(SEED), crowded()
    narrow, holds, differing = 0, 0, []
    for number in range(count):
        after = changed_tree(before, numbers)
        changed = {p for p in before.keys() | after.keys() if before.get(p) != after.get(p)}
        near = not reach_of(changed, code=False).everything
        said = answer(before, after)
        with looking_at(everything):
            whole = answer(before, after)
        narrow += near
        holds += all(check.holds for check in said[1])
        if said != whole:
            differing.append((number, sorted(changed), said[0], whole[0]))
    say(
        f"{count} changes, seed {SEED}: {narrow} looked at in part, {holds} with no finding; "
        f"{len(differing)} reviews differ from one that looks at everything"
    )
    assert differing == []
    assert narrow > count / 3
    assert 0 < holds < count


def test_part_says_what_the_whole_says(say):
    run(FEW, say)


@pytest.mark.slow
def test_part_says_what_the_whole_says_of_many(say):
    run(MANY, say)
