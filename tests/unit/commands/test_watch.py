import json

import pytest
from ml_pipeline.cli import main
from ml_pipeline.commands import console, watch
from ml_pipeline.documents.faults import PipelineError, UnavailableError
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.operations.up import open_origin

QUIET = {"jobs": [{"name": "a", "seconds": 1}]}
LATER = {"jobs": [{"name": "a", "seconds": 2}]}
ENDED = {"jobs": [{"name": "a", "phase": "Complete", "seconds": 3}]}


@pytest.fixture
def watched(monkeypatch):
    """Watches looks, one after the other, and interrupts after the last; an error among them is raised."""

    def run(*looks, output="text") -> int:
        now = [0]

        def tick(_):
            now[0] += 1
            if now[0] == len(looks):
                raise KeyboardInterrupt

        def look(form: str) -> int:
            found = looks[now[0]]
            if isinstance(found, Exception):
                raise found
            console.result(json.dumps(found) if form == "json" else f"{len(found['jobs'])} {found}")
            return 0

        monkeypatch.setattr(watch.time, "sleep", tick)
        return watch.watch(look, output=output)

    return run


def test_pipe_gets_a_block_only_when_something_changed(watched, capsys):
    assert watched(QUIET, LATER, ENDED, ENDED) == console.INTERRUPTED
    assert capsys.readouterr().out == f"1 {QUIET}\n\n1 {ENDED}\n"


def test_programs_get_a_document_for_each_change(watched, capsys):
    watched(QUIET, LATER, ENDED, output="json")
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line) for line in lines] == [QUIET, ENDED]


def test_failure_meanwhile_is_shown_once_and_passes(watched, capsys):
    gone = UnavailableError("the cluster does not answer")
    watched(QUIET, gone, gone, QUIET)
    said = capsys.readouterr().out
    assert said == f"1 {QUIET}\n\nthe cluster does not answer\n\n1 {QUIET}\n"


def test_failure_at_once_is_an_error(watched):
    with pytest.raises(PipelineError, match="no such environment"):
        watched(PipelineError("no such environment"))


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setattr(console, "is_terminal", lambda _: True)
    monkeypatch.setenv("LINES", "5")
    monkeypatch.setenv("COLUMNS", "80")


def test_terminal_is_redrawn_from_the_top(watched, terminal, capsys):
    watched(QUIET, LATER, LATER)
    first, second = capsys.readouterr().out.split("\x1b[H")[1:]
    assert first == f"1 {QUIET}\x1b[K\n\x1b[J"
    assert second == f"1 {LATER}\x1b[K\n\x1b[J"


def test_more_than_a_screen_says_how_much_more(terminal, monkeypatch, capsys):
    monkeypatch.setattr(watch.time, "sleep", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    watch.watch(lambda _: console.result("\n".join("abcdefgh")) or 0)
    shown = capsys.readouterr().out.replace("\x1b[K", "").replace("\x1b[J", "").splitlines()
    assert shown == ["\x1b[Ha", "b", "c", "... 5 more lines"]


def test_status_can_be_watched(team, monkeypatch, capsys):
    open_origin(team, State(team / ".ml-pipeline"))
    monkeypatch.setattr(watch.time, "sleep", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    assert main(["status", "--repo", str(team), "--watch"]) == 130
    captured = capsys.readouterr()
    assert captured.out.startswith("environment down")
    assert captured.err == ""
