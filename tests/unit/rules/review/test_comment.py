from ml_pipeline.rules.review.comment import ROOM, Check, comment
from ml_pipeline.rules.review.consequence import Consequence
from ml_pipeline.rules.review.diff import ABSENT, FieldChange, ObjectChange

HOSTILE = "@everyone `x` <img src=x> ![a](b)\n# title ```"


def consequence(number: int, kind="trains") -> Consequence:
    return Consequence(
        kind, f"{kind} e{number}", f"experiments/e{number}/experiment.yaml", 1.0, 2.0, "USD"
    )


def test_comment_fits_at_ten_thousand_objects_and_counts_what_it_leaves_out():
    told = [consequence(n, "cancels" if n < 60 else "trains") for n in range(10_000)]
    changes = [
        ObjectChange("create", "Job", "training", f"job-number-{n:05d}") for n in range(10_000)
    ]
    said = comment(told, changes, [Check("documents", tuple(f"{n}: wrong" for n in range(10_000)))])
    assert ROOM - 200 < len(said) <= ROOM
    assert "- `cancels e0` (`experiments/e0/experiment.yaml`)" in said
    assert "- and 9950 more: `trains 9940, cancels 10`" in said
    assert "- and 9950 more\n" in said
    shown = said.count("+ Job")
    assert f"# and {10_000 - shown} more; see them with `ml-pipeline diff`" in said
    assert said.endswith("</details>\n")


def test_money_is_summed():
    assert "**`3.00 USD` expected, `6.00` at p90.**" in comment(
        [consequence(n) for n in range(3)], []
    )


def test_hostile_text_has_no_meaning():
    said = comment(
        [],
        [ObjectChange("change", "Job", "t", "j", (FieldChange(("x",), "a", HOSTILE),))],
        [Check("documents", (HOSTILE,))],
    )
    (finding,) = (line for line in said.splitlines() if line.startswith("- `"))
    assert finding == "- `@everyone 'x' <img src=x> ![a](b) # title '''`"
    inside = said[said.index("```diff") + 7 :]
    assert inside.count("```") == 1


def test_small_creation_is_shown_whole():
    change = ObjectChange(
        "create", "Job", "t", "j", content={"kind": "Job", "metadata": {"name": "j"}}
    )
    said = comment([], [change])
    assert "+ Job t/j\n+   kind: Job\n+   metadata:\n+     name: j\n" in said


def test_many_creations_are_only_named():
    changes = [
        ObjectChange("create", "Job", "t", f"j{n}", content={"kind": "Job"}) for n in range(9)
    ]
    assert "kind: Job" not in comment([], changes)


def test_value_that_changes_in_several_places_stands_once():
    fields = tuple(FieldChange((place, "memory"), "2Gi", "3Gi") for place in ("limits", "requests"))
    assert "!   limits.memory (and 1 more): 2Gi -> 3Gi" in comment(
        [], [ObjectChange("change", "Job", "t", "j", fields)]
    )


def test_digests_are_shortened():
    field = FieldChange(("image",), f"x@sha256:{'a' * 64}", ABSENT)
    assert "!   image: x@sha256:aaaaaaaaaa... -> gone" in comment(
        [], [ObjectChange("change", "Job", "t", "j", (field,))]
    )


def test_nothing_is_said_to_be_nothing():
    assert (
        comment([], [])
        == "<!-- ml-pipeline:review -->\n## What merging this does\n\n- nothing that trains or serves changes\n\nNo object changes.\n"
    )
