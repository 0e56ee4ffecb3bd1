import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ml_pipeline.documents import source

from tests.conftest import FIXTURES, REPOSITORY
from tests.unit.documents.test_canonical import exact
from tests.unit.documents.test_fuzz import mutated

FILES = [path.read_bytes() for path in sorted(FIXTURES.rglob("*.yaml"))]
EXPERIMENTS = [
    path.read_bytes()
    for top in (FIXTURES / "valid", REPOSITORY)
    for path in sorted(top.glob("experiments/*/experiment.yaml"))
]
PIECES = (
    "a: 1\n",
    "b: {c: 2, d: [e, 'f']}\n",
    "c:\n- 1\n- x: y\n  z: {}\n",
    "c:\n  - g\n",
    "d: |\n  a\n  # no comment\n\n",
    "d: >-\n  a\n b: 1\n",
    "d: |+\n  a\n\n",
    'e: "a\n',
    '  b: c"\n',
    'b: c"\n',
    "e: 'it''s'\n",
    "f: a\n  b\n",
    "f: {a: 1,\n",
    "b: 2}\n",
    "a: &x 1\n",
    "g: *x\n",
    "g: !!str 1\n",
    "? h\n",
    ": i\n",
    "h:\ti\n",
    "h: i # why\n",
    "# alone\n",
    "\n",
    "   \n",
    "---\n",
    "...\n",
    "%YAML 1.1\n",
    "é: 1\n",
    "i: é\n",
    "i: \x85j: 1\n",
    "i: 1\rj: 2\n",
    "\ufeff",
    "j:",
    "<<: {a: b}\n",
    "- k\n",
    "long: " + 200 * "abcdefg" + "\n",
)


def by_parser(raw: bytes):
    """What the parser says of the whole."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "read_blocks", lambda *_: None)
        patch.setattr(source, "read_canonical", lambda *_: None)
        return source.parse("a.yaml", raw)


def agree(raw: bytes) -> bool:
    """Whether it was read by blocks; whatever is said of it is what the parser says, to the line of every key."""
    reads = []
    with pytest.MonkeyPatch.context() as patch:
        real = source.read_blocks
        patch.setattr(source, "read_blocks", lambda *given: reads.append(real(*given)) or reads[-1])
        patch.setattr(source, "read_canonical", lambda *_: None)
        found = source.parse("a.yaml", raw)
    whole = by_parser(raw)
    if isinstance(whole, source.Source) and isinstance(found, source.Source):
        assert (exact(found.data), found.lines) == (exact(whole.data), whole.lines), raw
        assert list(found.data) == list(whole.data), raw
    else:
        assert found == whole, raw
    return bool(reads and reads[0])


@pytest.mark.parametrize("raw", EXPERIMENTS)
def test_experiments_are_read_by_blocks(raw):
    assert agree(raw)


def test_no_file_of_the_fixtures_is_read_otherwise():
    assert sum(map(agree, FILES)) > 20


def test_no_mutation_of_an_experiment_is_read_otherwise():
    numbers = random.Random(11)
    read = [agree(mutated(numbers, numbers.choice(EXPERIMENTS), FILES)) for _ in range(3000)]
    assert 0.1 < sum(read) / len(read) < 0.95


@settings(max_examples=1500, deadline=None)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join))
def test_no_text_is_read_otherwise(text):
    agree(text.encode())


def test_block_that_is_shared_keeps_the_lines_of_each_document():
    first, second = (
        source.parse("a.yaml", f"{head}b: {{c: 2}}\n".encode()) for head in ("", "a: 1\n\n")
    )
    assert first.lines["b", "c"] == 1
    assert second.lines["b", "c"] == 3
