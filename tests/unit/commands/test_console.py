import pytest
from ml_pipeline.commands import console


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
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)


def test_terminal_gets_colours_and_lines_that_fit(terminal):
    assert console.painted("+ Job a/b", "green") == "\x1b[32m+ Job a/b\x1b[0m"
    assert console.fitted("x" * 30) == "x" * 19 + "…"


def test_colours_can_be_refused(terminal, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert console.painted("- Job a/b", "red") == "- Job a/b"


def test_pipes_get_whole_lines_without_colours():
    assert console.painted("y" * 500, "yellow") == "y" * 500


def test_dumb_terminal_gets_no_colours(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    assert console.coloured("x", "red") == "x"


@pytest.mark.parametrize(("refused", "shown"), [("", "\x1b[31mx\x1b[0m"), ("1", "x")])
def test_colours_can_be_forced_into_a_pipe_unless_they_are_refused(monkeypatch, refused, shown):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", refused)
    assert console.coloured("x", "red") == shown


def test_cells_that_say_how_something_stands_have_colours_and_columns_stay(terminal):
    rows = [("JOB", "PHASE", "TRY"), ("a", "Failed", "1"), ("b", "Complete", "2")]
    assert console.table(rows).splitlines() == [
        "JOB  PHASE     TRY",
        "a    \x1b[31mFailed\x1b[0m    1",
        "b    \x1b[32mComplete\x1b[0m  2",
    ]


def test_lines_do_not_end_with_spaces():
    assert console.table([("a", "b", "c"), ("long", "", "")]).splitlines()[1] == "long"


def test_problems_are_red_on_a_terminal_and_whole(terminal, monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    console.problem("y" * 50 + "\nz")
    assert capsys.readouterr().err == f"\x1b[31m{'y' * 50}\x1b[0m\n\x1b[31mz\x1b[0m\n"


def test_what_is_kept_is_not_printed(capsys):
    with console.kept() as lines:
        console.result("a")
        with console.kept() as inner:
            console.result("b")
    console.result("c")
    assert (lines, inner, capsys.readouterr().out) == (["a"], ["b"], "c\n")
