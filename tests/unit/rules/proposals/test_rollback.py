"""The promotions that stand on each other, and the way back, from what a file has held."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ml_pipeline.documents.changes import applied
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.documents.writer import to_document
from ml_pipeline.rules.proposals.rollback import (
    NOTHING,
    Promoted,
    back_to,
    before,
    promoted,
    standing,
)
from ml_pipeline.rules.render.serving import serving_overlay

from tests.conftest import FIXTURES, folder

PATH = "environments/local/promotions/digits.yaml"
FOLDER = "environments/local/serving/digits/"
VALID = Snapshot(folder(FIXTURES / "valid"))
GOOD, BETTER = "good/31a4e76e1a", "better/c39d9a14b0"
UNREADABLE = b"kind: [\n"


def content(run: str = BETTER, baseline: str | None = None, **changed) -> bytes:
    update = {"run": run, "baseline": baseline, **changed}
    return to_document(PATH, VALID.document(PATH).model_copy(update=update))


def history(*bodies: bytes | None) -> list[Promoted]:
    """Each in a commit of its own."""
    return [
        promoted("local", PATH, f"{number:040x}", f"Commit {number}", body)
        for number, body in enumerate(bodies, 1)
    ]


def stands(*bodies: bytes | None) -> list[int]:
    """The numbers of the commits that stand, 0 for what stood before them all."""
    return [int(one.sha or "0", 16) for one in standing(history(*bodies))]


def back(*bodies: bytes | None) -> int | None:
    target = before(standing(history(*bodies)))
    return None if target is None else int(target.sha or "0", 16)


ONE, TWO, THREE = content(GOOD), content(BETTER), content(BETTER, attempt=2)


@pytest.mark.parametrize(
    ("bodies", "numbers"),
    [
        ([], [0]),
        ([ONE], [0, 1]),
        ([ONE, TWO], [0, 1, 2]),
        ([ONE, TWO, ONE], [0, 3]),
        ([ONE, TWO, THREE, TWO], [0, 1, 4]),
        ([ONE, TWO, None], [3]),
        ([ONE, None, TWO], [2, 3]),
        ([ONE, UNREADABLE, UNREADABLE], [0, 1, 2, 3]),
        ([ONE, UNREADABLE, ONE], [0, 3]),
    ],
)
def test_return_to_what_was_said_takes_away_what_came_since(bodies, numbers):
    assert stands(*bodies) == numbers


def test_rollout_with_other_resources_takes_the_place_of_the_one_before():
    resources = VALID.document(PATH).resources.model_copy(update={"memory": "4Gi"})
    assert stands(ONE, TWO, content(BETTER, resources=resources)) == [0, 1, 3]


@pytest.mark.parametrize(
    ("bodies", "number"),
    [
        ([], None),
        ([ONE, None], None),
        ([ONE], 0),
        ([ONE, TWO], 1),
        ([ONE, TWO, THREE], 1),
        ([ONE, UNREADABLE, TWO], 1),
        ([ONE, UNREADABLE], 1),
        ([ONE, TWO, ONE], 0),
        ([TWO, THREE], 0),
    ],
)
def test_way_back_leads_to_the_newest_other_run(bodies, number):
    assert back(*bodies) == number


bodies = st.lists(st.sampled_from([ONE, TWO, THREE, UNREADABLE, None]), max_size=8)


@given(bodies)
def test_nothing_stands_twice_and_the_newest_stands_last(said):
    stack = standing(history(*said))
    names = [one.name for one in stack]
    assert len(names) == len(set(names))
    assert stack[0].content is None
    if said:
        assert stack[-1].content == said[-1]


@given(bodies)
def test_going_back_again_and_again_ends_with_nothing(said):
    """Each rollback is a commit like any other, and leads further back than the one before."""
    contents = list(said)
    for _ in range(len(said) + 1):
        target = before(standing(history(*contents)))
        if target is None:
            break
        assert target.run != history(*contents)[-1].run or target.content is None
        contents.append(target.content)
    assert before(standing(history(*contents))) is None


def test_history_of_nothing_is_what_every_branch_begins_with():
    assert standing([]) == [NOTHING]
    assert before([NOTHING]) is None


def test_promotion_is_told_with_its_run_and_its_commit():
    readable, unreadable = history(ONE, UNREADABLE)
    assert readable.title == f"{GOOD} (0000000000, Commit 1)"
    assert unreadable.title == "a promotion that cannot be read (0000000000, Commit 2)"
    assert (readable.run, unreadable.run) == (GOOD, None)


def way_back(files, target: bytes | None, then=None) -> dict[str, bytes]:
    (to,) = history(target)
    return applied(files, back_to(files, "local", "digits", to, then or {}))


def test_way_back_writes_the_promotion_and_what_is_rendered_of_it(current):
    after = way_back(current, ONE)
    overlay = serving_overlay(Snapshot({**current, PATH: ONE}), "local", "digits")
    assert after == {**current, PATH: ONE, **overlay}
    assert after != current


def test_way_back_to_nothing_takes_the_model_out_and_nothing_else(current):
    after = way_back(current, None)
    mine = {path for path in current if path == PATH or path.startswith(FOLDER)}
    assert len(mine) > 1
    assert after == {path: raw for path, raw in current.items() if path not in mine}


def test_way_back_to_where_one_is_changes_nothing(current):
    (here,) = history(current[PATH])
    assert not back_to(current, "local", "digits", here, {})


def test_file_that_nobody_renders_goes_on_the_way_back(current):
    stray = f"{FOLDER}promotion/notes.yaml"
    assert stray not in way_back({**current, stray: b"x: 1\n"}, ONE)


def test_model_with_a_longer_name_is_left_alone(current):
    other = f"{FOLDER[:-1]}-other/kustomization.yaml"
    assert way_back({**current, other: b"x: 1\n"}, None)[other] == b"x: 1\n"


@pytest.mark.parametrize(
    "broken",
    ["environments/local/environment.yaml", f"experiments/{GOOD.replace('/', '/runs/')}.yaml"],
)
def test_way_back_does_not_wait_for_what_is_broken(current, broken):
    then = {f"{FOLDER}kustomization.yaml": b"as: then\n", "README.md": b"not of it\n"}
    for files in (
        {**current, broken: UNREADABLE},
        {p: r for p, r in current.items() if p != broken},
    ):
        after = way_back(files, ONE, then)
        served = {path: raw for path, raw in after.items() if path.startswith(FOLDER)}
        assert served == {f"{FOLDER}kustomization.yaml": b"as: then\n"}
        assert after[PATH] == ONE


def test_document_that_the_way_back_does_not_need_may_be_broken(current):
    broken = "experiments/waiting/experiment.yaml"
    assert way_back({**current, broken: UNREADABLE}, ONE)[PATH] == ONE
    assert way_back({**current, broken: UNREADABLE}, ONE) == {
        **way_back(current, ONE),
        broken: UNREADABLE,
    }
