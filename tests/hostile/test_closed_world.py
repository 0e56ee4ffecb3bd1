"""The closed world as a property: what Flux applies before and after a commit differs in just what a review lists, or it finds
something. `MUTATIONS` says how many; `make test-slow` takes three hundred, `MUTATIONS=10000` three quarters of an hour."""

import os
import random
import shutil
import time

import pytest
from ml_pipeline.adapters.files import write_changes
from ml_pipeline.adapters.git.comparison import Comparison
from ml_pipeline.adapters.kustomize import Overlays
from ml_pipeline.cli import main
from ml_pipeline.documents.changes import Changes
from ml_pipeline.documents.changes import applied as with_changes
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.operations.diff import builds_of, changed_objects
from ml_pipeline.rules.render.drift import drift
from ml_pipeline.rules.review.closed_world import place_faults
from ml_pipeline.rules.review.faults import checked_snapshot, refuse_faults
from ml_pipeline.rules.review.own_places import own_place_faults, own_places
from ml_pipeline.rules.review.plain_files import refuse_special
from ml_pipeline.rules.review.two_pens import hand_written

from tests.conftest import git
from tests.hostile.flux import REFUSED, applied, really_applied, roots
from tests.hostile.mutations import Mutant, harmless
from tests.support.many import rendered, valid_tree

SEED = int(os.environ.get("SEED", "13"))
FEW, MANY = 50, int(os.environ.get("MUTATIONS", "300"))


def compared(before, after) -> Comparison:
    paths = before.keys() | after.keys()
    return Comparison(before, after, frozenset(p for p in paths if before.get(p) != after.get(p)))


def finding(before, after, modes=None) -> str:
    """The first thing that a review finds, without policies and budgets, which find only more; empty where there is none."""
    sides = compared(before, after)
    try:
        refuse_special({**dict.fromkeys(after, "100644"), **(modes or {})}.items())
        faults = [*place_faults(after), *hand_written(before, after, sides.changed, ())]
        if faults:
            return str(faults[0])
        snapshot = Snapshot(after)
        refuse_faults(snapshot)
        changes = drift(snapshot)
        if changes:
            return f"stale: {sorted({*changes.write, *changes.delete})[0]}"
        for place in own_places(after):
            objects = applied(after, {})[place.split("/")[1], "platform"]
            if objects == REFUSED:
                return f"{place}: {REFUSED}"
            environment = snapshot.environments[place.split("/")[1]]
            faults += own_place_faults(environment, place, after, own_objects(after, place))
    except PipelineError as error:
        return str(error)
    return str(faults[0]) if faults else ""


def own_objects(files, place: str):
    with Overlays(files) as overlays:
        return overlays.objects(place)


def listed(before, after) -> set | str:
    """The objects that a review lists, or why it cannot."""
    try:
        sides = compared(before, after)
        with builds_of(sides) as builds:
            changes = changed_objects(sides, builds)
    except PipelineError as error:
        return str(error)
    return {(c.kind, c.namespace, name) for c in changes for name in {c.name, c.was or c.name}}


def differing(old, new) -> set:
    """The objects that are there on one side alone, or differ."""
    found = set()
    for path in old.keys() | new.keys():
        before, after = old.get(path, {}), new.get(path, {})
        assert REFUSED not in (before, after), path
        found |= {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    return found


def mutated(before, numbers: random.Random) -> tuple[dict, dict]:
    """A tree after one to three changes, and its modes. Some of them are what people rightly do, half of the time with a
    stranger's change beside; those, and half of the others, are rendered anew, where that can be."""
    mutant = Mutant(before, numbers)
    by_a_person = numbers.random() < 0.4
    if by_a_person:
        for _ in range(numbers.choice([1, 1, 2])):
            mutant.by_a_person()
    if not by_a_person or numbers.random() < 0.5:
        for _ in range(numbers.choice([1, 1, 1, 2, 3])):
            mutant.change()
    if by_a_person or numbers.random() < 0.5:
        try:
            return with_changes(mutant.files, drift(checked_snapshot(mutant.files))), mutant.modes
        except PipelineError:
            pass
    return mutant.files, mutant.modes


def run(count: int, say, tmp_path) -> None:
    numbers, before, known = random.Random(SEED), rendered(valid_tree()), {}
    applied_before, begun = applied(before, known), time.monotonic()
    found, seen, unseen, false, oracle = 0, 0, [], [], 0
    for number in range(count):
        after, modes = mutated(before, numbers)
        if number % 23 == 0 and not modes:
            oracle += held_against_kustomize(after, known, tmp_path / "tree", numbers)
        if finding(before, after, modes):
            found += 1
            continue
        known_objects = listed(before, after)
        if isinstance(known_objects, str):
            found += 1
            continue
        differs = differing(applied_before, applied(after, known))
        seen += bool(differs)
        if differs != known_objects:
            unseen.append((number, sorted(differs ^ known_objects)))
    for _ in range(max(count // 10, 30)):
        after = harmless(before, numbers)
        after = with_changes(after, drift(checked_snapshot(after)))
        said = finding(before, after)
        if said:
            false.append(said)
    say(
        f"{count} mutations, seed {SEED}: {found} found, {seen} listed object by object, {count - found - seen} without effect, "
        f"{len(unseen)} unseen changes; {len(false)} false findings in {max(count // 10, 30)} harmless edits; "
        f"{oracle} paths held against kubectl kustomize; {time.monotonic() - begun:.0f} s"
    )
    assert (unseen, false) == ([], [])


def held_against_kustomize(files, known: dict, folder, numbers: random.Random) -> int:
    """Whether the model of a path of Flux is what the real Kustomize builds of the root that the controller generates."""
    paths = sorted(roots(files))
    if not paths or any("\n" in path for path in files):
        return 0
    path = numbers.choice(paths)
    shutil.rmtree(folder, ignore_errors=True)
    real = really_applied(files, path, folder)
    model = applied(files, known)[path]
    if REFUSED in (real, model):
        return 0
    assert model.keys() == real.keys()
    return 1


@pytest.fixture
def _remembered(monkeypatch):
    """What Kustomize says of the same files it says once: the review and the model ask for both sides of each mutation."""
    known, stream = {}, Overlays.stream

    def remembered(overlays, unit: str):
        near = ("base/", "/".join(unit.split("/")[:2]) + "/")
        files = overlays._files
        key = unit, hash(frozenset((p, raw) for p, raw in files.items() if p.startswith(near)))
        if key not in known:
            try:
                known[key] = stream(overlays, unit)
            except PipelineError as error:
                known[key] = error
        if isinstance(known[key], PipelineError):
            raise known[key]
        return known[key]

    monkeypatch.setattr(Overlays, "stream", remembered)


@pytest.mark.usefixtures("_remembered")
def test_few_mutations_are_found_or_listed(say, tmp_path):
    run(FEW, say, tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("_remembered")
def test_many_mutations_are_found_or_listed(say, tmp_path):
    run(MANY, say, tmp_path)


@pytest.mark.parametrize("seed", range(6))
def test_command_says_what_the_rules_say(rendered_team, seed, capsys, monkeypatch):
    """The property is tried on the rules; here the same mutations are commits, and `review` the command."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")  # 2026-01-01
    numbers, before = random.Random(f"{SEED}/{seed}"), rendered(valid_tree())
    after, modes = mutated(before, numbers)
    while modes or not after.get("environments/local/environment.yaml"):
        after, modes = mutated(before, numbers)
    gone = frozenset(before) - after.keys()
    write_changes(rendered_team, Changes({}, gone))
    write_changes(rendered_team, Changes({p: r for p, r in after.items() if before.get(p) != r}))
    git(rendered_team, "add", "--all")
    git(rendered_team, "commit", "--quiet", "--allow-empty", "--message", "Mutate")
    capsys.readouterr()
    code = main(["review", "--repo", str(rendered_team)])
    assert (code == 1) >= bool(finding(before, after))
    assert code in (0, 1)
