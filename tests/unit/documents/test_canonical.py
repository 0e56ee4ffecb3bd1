import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ml_pipeline.documents import source
from ml_pipeline.documents.canonical import read_canonical
from ml_pipeline.documents.writer import to_yaml

from tests.conftest import FIXTURES
from tests.support.many import TRICKY
from tests.unit.documents.test_fuzz import mutated

FILES = sorted(FIXTURES.rglob("*.yaml"))
RECEIPTS = [path for path in FILES if path.parent.name == "runs"]


def exact(value):
    """A value with its types, and how numbers were written."""
    if isinstance(value, dict):
        return {key: exact(part) for key, part in value.items()}
    if isinstance(value, list):
        return [exact(part) for part in value]
    return (type(value).__name__, value, getattr(value, "text", None))


def quickly(text: str):
    return read_canonical(text, source._plain)


def agree(raw: bytes) -> bool:
    """Whether the quick reader read it; what it reads is what the parser reads, to the line of every key."""
    try:
        found = quickly(raw.decode())
    except UnicodeDecodeError:
        return False
    if found is None:
        return False
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "read_canonical", lambda *_: None)
        parsed = source.parse("a.yaml", raw)
    assert isinstance(parsed, source.Source), (parsed, raw)
    assert (exact(found[0]), found[1]) == (exact(parsed.data), parsed.lines), raw
    return True


@pytest.mark.parametrize("path", RECEIPTS, ids=lambda path: path.stem)
def test_receipts_are_read_quickly(path):
    assert agree(path.read_bytes())


def test_no_file_of_the_fixtures_is_read_otherwise():
    assert sum(agree(path.read_bytes()) for path in FILES) > 20


def test_no_mutation_of_a_receipt_is_read_otherwise():
    numbers, files = random.Random(7), [path.read_bytes() for path in FILES]
    raws = [path.read_bytes() for path in RECEIPTS]
    read = [agree(mutated(numbers, numbers.choice(raws), files)) for _ in range(4000)]
    assert 0.1 < sum(read) / len(read) < 0.9


keys = st.from_regex(r"[a-z_][a-z0-9_.-]{0,5}", fullmatch=True) | st.sampled_from(TRICKY)
scalars = (
    st.integers()
    | st.floats(allow_nan=False)
    | st.booleans()
    | st.none()
    | st.text(max_size=12)
    | st.sampled_from([*TRICKY, "a: b", "a #b", "- x", "it's", "<<", "a  b", " a", "...", "---"])
)
trees = st.recursive(
    scalars,
    lambda inner: (st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4)),
    max_leaves=12,
)


@settings(max_examples=400)
@given(st.dictionaries(keys, trees, min_size=1, max_size=5))
def test_no_data_is_read_otherwise(data):
    agree(to_yaml(data))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "- a",
        "a: {b: 1}",
        "a: 'it''s'",
        'a: "b"',
        "a: b\n  c",
        "a: b\n  c: d",
        "a:\n  b: 1\n c: 2",
        "a: 1\na: 2",
        "a: b #c",
        "a: b: c",
        "a: é",
        "a:\tb",
        "a: 1\r\nb: 2",
        "--- \na: 1",
        "a: &x 1",
        "a: *x",
        "a: !!str 1",
        "a: |\n  b",
        "'a': 1",
        "a: - b",
        "a:\n- - b",
        "a: b ",
        "? a",
        "a:\n- b\n c: 1",
        "".join(f"{'  ' * depth}k{depth}:\n" for depth in range(30)),
    ],
)
def test_everything_else_is_left_to_the_parser(text):
    assert quickly(text) is None
