import pytest
from hypothesis import given
from hypothesis import strategies as st
from ml_pipeline.documents.faults import Fault
from ml_pipeline.documents.nodes import MAX_BYTES, dotted
from ml_pipeline.documents.source import Source, parse


def data(text: str):
    source = parse("a.yaml", text.encode())
    assert isinstance(source, Source), source
    return source.data


def test_every_key_knows_its_line():
    source = parse("a.yaml", b"a: 1\nb:\n  c: 2\n  d: [x,\n    y]\n")
    assert (source.line(("b", "c")), source.line(("b", "d", 1))) == (3, 5)


def test_missing_key_has_line_of_its_parent():
    source = parse("a.yaml", b"a: 1\nb:\n  c: 2\n")
    assert source.line(("b", "zzz", "deeper")) == 2


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("010", "010"),
        ("1_000", "1_000"),
        ("2026-01-01", "2026-01-01"),
        ("0x1F", "0x1F"),
    ],
)
def test_yaml_1_1_surprises_stay_text(text, value):
    assert data(f"key: {text}")["key"] == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-3", -3),
        ("0.5", 0.5),
        ("1e-3", 0.001),
        ("true", True),
        ("null", None),
        ("", None),
    ],
)
def test_plain_values_are_what_they_look_like(text, value):
    assert data(f"key: {text}")["key"] == value


@pytest.mark.parametrize("sha", ["1" * 40, "9" * 64, "0123456789", "12345678e0"])
def test_digit_only_sha_keeps_its_text(sha):
    assert getattr(data(f"sha: {sha}")["sha"], "text", data(f"sha: {sha}")["sha"]) == sha


def test_too_many_bytes_are_not_parsed():
    fault = parse("a.yaml", b"#" * (MAX_BYTES + 1))
    assert isinstance(fault, Fault)
    assert "at most" in fault.text


def test_complex_key_is_refused():
    assert "plain text" in parse("a.yaml", b"? [a, b]\n: 1\n").text


def test_dotted_writes_list_positions_in_brackets():
    assert dotted(("rollout", "steps", 0)) == "rollout.steps[0]"


@given(st.binary(max_size=400))
def test_any_bytes_give_a_document_or_one_fault(raw):
    assert isinstance(parse("a.yaml", raw), Source | Fault)


@given(st.text(max_size=200))
def test_any_text_gives_a_document_or_one_fault(text):
    assert isinstance(parse("a.yaml", text.encode("utf-8", "ignore")), Source | Fault)


def test_fault_of_an_argument_names_no_line():
    source = Source.of_arguments("promote", {"steps": [0]})
    assert str(source.fault("steps", "is wrong")) == "promote: steps: is wrong"
