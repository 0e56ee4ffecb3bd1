import pytest
from ml_pipeline.documents.nodes import MAX_BYTES
from ml_pipeline.documents.writer import to_yaml
from ml_pipeline.rules.kustomize.objects import NotCoveredError, parse_objects

UNCLEAR = ("on", "010", "1_000", "2026-01-01", "0o7", "yes", "N", "12:30:45")


@pytest.mark.parametrize("text", UNCLEAR)
def test_words_that_readers_disagree_about_are_left_to_kustomize(text):
    with pytest.raises(NotCoveredError, match=f"has the unclear word {text}"):
        parse_objects(f"a: {text}".encode())


@pytest.mark.parametrize("text", UNCLEAR)
def test_words_that_readers_disagree_about_are_text_where_that_does_no_harm(text):
    assert parse_objects(f"a: {text}".encode(), exact=False) == [{"a": text}]


@pytest.mark.parametrize("text", [*UNCLEAR, "e5", "one", "noon"])
def test_what_is_rendered_has_no_unclear_word(text):
    assert parse_objects(to_yaml({"a": text})) == [{"a": text}]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("-1", -1),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("5e38112737", "5e38112737"),
        ("'12'", "12"),
        ("noon", "noon"),
    ],
)
def test_scalars_are_read_as_go_reads_them(text, value):
    assert parse_objects(f"a: {text}".encode()) == [{"a": value}]


def test_documents_of_a_stream_are_read_and_empty_ones_left_out():
    assert parse_objects(b"a: 1\n---\n---\nb: 2\n") == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"a: [", "is not YAML"),
        (b"a: &x [1]\nb: *x\n", "uses an alias"),
        (b"a: 1\na: 2\n", "has a key twice"),
        (b"? [a]\n: 1\n", "has a key that is not text"),
        (b"a: !!binary aGk=\n", "has the tag"),
        (b"a: !!int 01000\n", "has the tag"),
        (b"a: !!float 010\n", "has the tag"),
        (b"a: !!bool yes\n", "has the tag"),
        (b"a: !!null x\n", "has the tag"),
        (b"a: ! 7\n", "has the tag"),
        (b"a: !!map {b: c}\n", "has the tag"),
        (b"!!str a: b\n", "has the tag"),
        (b"data: {1: a}\n", "has a key that is not text"),
        (b"data: {true: a}\n", "has a key that is not text"),
        (b"%YAML 1.1\n---\na: b\n", "has a directive"),
        (b"a: b\n--- {c: d}\n", "has text behind the separator"),
        (b"<<: {a: 1}\n", "has a key that is not text"),
        (b"a: \xff", "is not YAML"),
        (b"a: b\n" * MAX_BYTES, f"at most {MAX_BYTES}"),
        (b"[" * 60_000, "nested deeper"),
        (b"- " * 60_000, "nested deeper"),
    ],
)
def test_what_is_not_plain_is_not_covered(raw, said):
    with pytest.raises(NotCoveredError, match=said):
        parse_objects(raw)
