from ml_pipeline.commands.pull_request import annotate, as_data, markdown, text
from ml_pipeline.operations.diff import Difference
from ml_pipeline.operations.review import Review
from ml_pipeline.rules.review.comment import MARKER, Check
from ml_pipeline.rules.review.consequence import Consequence

TRAINS = Consequence("trains", "trains a/0123456789", "experiments/a/experiment.yaml")
FAULT = "experiments/a/experiment.yaml:3: seed: 'x' must be a number"


def review(*checks: Check, trains: bool = False) -> Review:
    return Review(checks, Difference((TRAINS,) if trains else ()), ("a note",), ("a hint",))


def test_notes_and_hints_end_the_text():
    assert text(review()) == "nothing changes\na note\na hint"


def test_what_cannot_be_known_is_not_said_to_be_nothing():
    first, empty, unknown, *_ = text(review(Check("documents", (FAULT,)))).splitlines()
    assert (first, empty) == (FAULT, "")
    assert unknown == "what it changes is not known until that is mended"


def test_what_is_known_is_said_beside_findings():
    assert "trains a/0123456789" in text(review(Check("documents", (FAULT,)), trains=True))


def test_comment_begins_with_its_marker():
    assert markdown(review()).startswith(MARKER)


def test_programs_get_checks_and_the_difference():
    data = as_data(review(Check("documents", note="5 experiments"), trains=True))
    assert list(data) == ["checks", "consequences", "objects"]
    assert data["checks"][0]["note"] == "5 experiments"


def test_finding_is_shown_at_its_line_and_one_without_a_place_at_none(capsys):
    annotate(review(Check("documents", (FAULT,)), Check("policies", no_answer="no kubectl")))
    assert capsys.readouterr().err.splitlines() == [
        "::error file=experiments/a/experiment.yaml,line=3,title=documents::"
        "seed: 'x' must be a number",
        "::error title=policies::policies: no kubectl",
    ]
