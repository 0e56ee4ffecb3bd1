import json

import pytest
from ml_pipeline.commands.command import Options
from ml_pipeline.commands.compare import COMMAND
from ml_pipeline.commands.parser import parsed
from ml_pipeline.documents.receipts import GateResult

GOOD, BETTER, BROKEN = "good/31a4e76e1a", "better/c39d9a14b0", "broken/970e519fc8"


@pytest.fixture
def compared(snapshot, monkeypatch, capsys):
    """What the command prints of some runs; a reference may be followed by what is changed of it."""

    def print_of(*runs, output="text") -> str:
        found = []
        for reference, changed in (one if isinstance(one, tuple) else (one, {}) for one in runs):
            found.append(snapshot.runs_by_reference[reference].model_copy(update=changed))
        monkeypatch.setattr("ml_pipeline.operations.provenance.compare", lambda *_, **__: found)
        options = Options(repo=".", runs=[], sort="", reverse=False, output=output)
        assert COMMAND.run(options) == 0
        return capsys.readouterr().out

    return print_of


def rows(text: str) -> dict[str, list[str]]:
    """Cells by the name of their row, which two spaces end."""
    table = {}
    for line in text.splitlines():
        name, *cells = [part.strip() for part in line.split("  ") if part.strip()]
        table[name] = cells
    return table


def test_columns_are_the_runs_in_their_order(compared):
    assert compared(BETTER, GOOD).splitlines()[0].split() == [BETTER, GOOD]


def test_what_decided_all_alike_is_left_out_and_what_came_of_them_is_not(compared):
    table = rows(compared(GOOD, (GOOD, {})))
    assert not any(name.startswith("decided by") for name in table)
    assert table["outcome"] == ["succeeded", "succeeded"]
    assert table["gate_accuracy"] == ["0.98", "0.98"]


def test_what_decided_them_differently_is_told(compared, snapshot):
    other = snapshot.runs_by_reference[GOOD].decided_by
    other = other.model_copy(update={"seed": 8, "data": "e" * 64})
    table = rows(compared(GOOD, (GOOD, {"decided_by": other})))
    decided = {name: cells for name, cells in table.items() if name.startswith("decided by")}
    assert decided == {"decided by seed": ["7", "8"], "decided by data": ["c" * 40, "e" * 40]}


def test_metric_that_one_run_lacks_is_a_dash(compared):
    table = rows(compared((GOOD, {"metrics": {"loss": 0.5}}), (GOOD, {"metrics": {"f1": 0.25}})))
    assert (table["loss"], table["f1"]) == (["0.5", "-"], ["-", "0.25"])


def test_run_that_failed_has_neither_gates_nor_a_price(compared):
    table = rows(compared(GOOD, (BROKEN, {"cost": None, "gates": ()})))
    assert table["outcome"] == ["succeeded", "failed"]
    assert table["gate quality"] == ["passed", "-"]
    assert table["cost"] == ["0.000667 USD", "-"]


def test_gate_that_does_not_hold_is_told(compared):
    gates = (GateResult(name="quality", passed=False),)
    assert rows(compared((GOOD, {"gates": gates})))["gate quality"] == ["failed"]


def test_programs_get_digests_whole_and_what_is_equal_too(compared):
    one, two = json.loads(compared(GOOD, (BROKEN, {"cost": None}), output="json"))
    assert one["decided_by"]["data"] == two["decided_by"]["data"] == "c" * 64
    assert (one["reason"], one["cost"]["amount"]) == (None, 0.000667)
    assert (two["outcome"], two["cost"]) == ("failed", None)
    assert two["reason"]


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        (["a"], {"sort": "", "reverse": False}),
        (["a", "b*", "--sort", "cost", "--reverse"], {"sort": "cost", "reverse": True}),
    ],
)
def test_what_is_typed_is_handed_on(monkeypatch, capsys, typed, asked):
    heard = []
    answer = lambda _, patterns, **how: heard.append((patterns, how)) or []  # noqa: E731
    monkeypatch.setattr("ml_pipeline.operations.provenance.compare", answer)
    COMMAND.run(parsed(["compare", *typed, "--output", "json"]))
    assert heard == [(tuple(name for name in typed if name in ("a", "b*")), asked)]
    assert capsys.readouterr().out == "[]\n"
