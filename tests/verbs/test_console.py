import pytest
from ml_pipeline.verbs import console


def test_columns_are_aligned():
    assert console.table([("a", "bb"), ("ccc", "d")]) == "a    bb\nccc  d"


def test_results_and_talk_go_apart(capsys):
    console.result("answer")
    console.talk("progress")
    assert capsys.readouterr() == ("answer\n", "progress\n")


def test_programs_get_json(capsys):
    console.answer({"a": 1}, "text", "json")
    assert capsys.readouterr().out == '{\n  "a": 1\n}\n'


@pytest.fixture
def terminal(monkeypatch):
    """A terminal of 20 columns."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_terminal_gets_colours_and_lines_that_fit(terminal):
    assert console.painted("+ Job a/b", "green") == "\x1b[32m+ Job a/b\x1b[0m"
    assert console.fitted("x" * 30) == "x" * 19 + "…"


def test_colours_can_be_refused(terminal, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert console.painted("- Job a/b", "red") == "- Job a/b"


def test_pipes_get_whole_lines_without_colours():
    assert console.painted("y" * 500, "yellow") == "y" * 500
