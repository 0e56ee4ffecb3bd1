import yaml
from hypothesis import given
from hypothesis import strategies as st
from ml_pipeline.documents.reader import read
from ml_pipeline.documents.source import Source, parse
from ml_pipeline.documents.writer import to_document, to_marked_yaml, to_yaml

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
