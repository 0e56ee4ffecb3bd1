from typing import get_args

import yaml
from hypothesis import given
from hypothesis import strategies as st
from ml_pipeline.documents.reader import KINDS, read
from ml_pipeline.documents.receipts import DataVersion
from ml_pipeline.documents.source import Source, parse
from ml_pipeline.documents.writer import to_document, to_marked_yaml, to_yaml
from pydantic import BaseModel

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.text("abc 0123456789:-_#'e.", max_size=12),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text("abcdef", min_size=1, max_size=5), inner, max_size=3),
    max_leaves=12,
)


def plain(value):
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=5), PLAIN, max_size=4).filter(bool))
def test_what_is_written_is_read_back(data):
    source = parse("a.yaml", to_yaml(data))
    assert isinstance(source, Source)
    assert plain(source.data) == data


@given(st.text("0123456789abcdef", min_size=1, max_size=64))
def test_hex_text_is_text_for_other_yaml_readers(text):
    assert yaml.safe_load(to_yaml({"sha": text}))["sha"] == text


def test_documents_survive_a_round_trip(snapshot):
    for path in (path for paths in snapshot.paths.values() for path in paths):
        document = snapshot.document(path)
        again, _ = read(path, to_document(path, document))
        assert again == document


@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=5), PLAIN, max_size=4).filter(bool))
def test_a_mark_is_no_part_of_what_is_written(data):
    raw = to_marked_yaml(data, "0123456789")
    assert yaml.safe_load(raw) == yaml.safe_load(to_yaml(data))
    assert all("0123456789" in line for line in raw.decode().splitlines())


@given(st.text(max_size=200), st.text(" \n\u2028\x85#'\"\t", max_size=8))
def test_long_and_folded_text_stays_one_line_before_its_mark(text, more):
    value = (text + more) * 3
    raw = to_marked_yaml({"value": value}, "0123456789")
    assert yaml.safe_load(raw) == yaml.safe_load(to_yaml({"value": value}))
    assert len(raw.split(b"\n")) <= 4


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_is_read_back(number):
    source = parse("a.yaml", to_yaml({"number": number}))
    assert isinstance(source.data["number"], float)
    assert source.data["number"] == number


def test_receipt_of_failed_data_is_read_back(snapshot):
    path = next(path for path in snapshot.paths[DataVersion])
    prepared = snapshot.document(path)
    failed = prepared.model_copy(update={"data": None, "reason": "the source is gone"})
    again, _ = read(path, to_document(path, failed))
    assert again == failed


def test_what_may_be_null_and_is_required_stands_at_the_top():
    """The writer keeps such a key there alone."""
    for _, kind in KINDS:
        inner = [part for field in kind.model_fields.values() for part in parts(field.annotation)]
        assert [
            (part.__name__, name)
            for part in inner
            for name, field in part.model_fields.items()
            if field.is_required() and type(None) in get_args(field.annotation)
        ] == []


def parts(annotation):
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        inner = [f.annotation for f in annotation.model_fields.values()]
        return [annotation, *(part for a in inner for part in parts(a))]
    return [part for argument in get_args(annotation) for part in parts(argument)]
