"""One function for each place; text of others that goes through it means nothing there."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ml_pipeline.documents import escape
from ml_pipeline.documents.faults import Fault

TEXT = st.one_of(
    st.text(st.characters(), max_size=60),
    st.lists(
        st.sampled_from(["\n", "\r", "::error::", "##[add-mask]", "%", ",", ":", "\x1b]0;x\x07"]),
        max_size=8,
    ).map("".join),
)
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]")


@given(TEXT)
def test_terminal_gets_no_control_character_but_newline_and_tab(text):
    assert not CONTROL.search(escape.terminal(text))
    escape.terminal(text).encode()


@given(TEXT)
def test_line_is_one_line(text):
    assert len(escape.line(text).splitlines()) <= 1
    assert len(escape.line(text, 30)) <= 30


@given(TEXT, TEXT)
def test_annotation_is_one_line_with_one_command_and_its_own_properties(message, path):
    said = escape.annotation("error", message, file=path, line=3)
    assert len(said.splitlines()) == 1
    _, head, body = said.split("::", 2)
    assert [part.split("=")[0] for part in head.removeprefix("error ").split(",")] == [
        "file",
        "line",
    ]
    assert escape.annotation("error", body) != said or not message
    assert not CONTROL.search(said)


@given(TEXT)
def test_log_of_actions_holds_no_command(text):
    """As the runner reads a line: `::` where it begins, or `##[` anywhere."""
    said = escape.log_of_actions(escape.terminal(text))
    assert "##[" not in said
    assert not [line for line in said.splitlines() if line.strip().startswith("::")]


@given(TEXT)
def test_fault_is_one_line_whatever_its_path_key_and_text_are(text):
    said = str(Fault(text, 1, text, text))
    assert len(said.splitlines()) == 1
    assert len(said) <= escape.LONGEST
    assert not CONTROL.search(said)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("learning_rate", "learning_rate"),
        ("ml-pipeline/run", "ml-pipeline/run"),
        ("two words", "'two words'"),
        ("x" * 5_000, f"'{'x' * 56}..."),
        ("a\nb", r"'a\nb'"),
        ("@team", "'@team'"),
        ("", "''"),
    ],
)
def test_key_that_is_no_plain_word_is_quoted_and_cut(name, said):
    assert escape.shown_key(name) == said


def test_text_of_everyday_life_is_left_alone():
    for text in ("größer", "模型", "a  b", "tab\there", "run 🚀", "1 %", "x: y"):
        assert escape.terminal(text) == text
