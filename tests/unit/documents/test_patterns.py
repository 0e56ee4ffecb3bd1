"""No value of a document ends in a newline, or in another character that is not seen, whoever checks it."""

import ast
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from ml_pipeline.documents.canonical import Location
from ml_pipeline.documents.reader import KINDS, kind_of, read
from ml_pipeline.documents.receipts import Verdict
from ml_pipeline.documents.schemas import schema_files, schema_name
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.documents.source import Source, parse
from ml_pipeline.documents.writer import to_yaml

from tests.conftest import REPOSITORY
from tests.support.many import rendered, valid_tree
from tests.support.recurring import day, proposed, recurring

ENDINGS = ("\n", "\r", "\r\n", "\t\n", "\x00", "\x0b", "\x7f", "\x85", "\u2028")
SCHEMAS = {path: json.loads(raw) for path, raw in schema_files().items()}
FILES = rendered(proposed(recurring(valid_tree(), promote="local"), day(0), b"a"))
DOCUMENTS = sorted(path for paths in Snapshot(FILES).paths.values() for path in paths)
# Keys whose values are free: what a machine measured has names of its own.
FREE = {"metrics"}


def patterns(schema):
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            yield from patterns(part)


PATTERNS = sorted({pattern for schema in SCHEMAS.values() for pattern in patterns(schema)})


def texts(value, at: Location = ()):
    if isinstance(value, str):
        yield at
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in FREE:
                yield from texts(item, (*at, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from texts(item, (*at, number))


def ending(data, at: Location, end: str):
    """A copy of the data in which one text ends otherwise."""
    copy = json.loads(json.dumps(data))
    part = copy
    for key in at[:-1]:
        part = part[key]
    part[at[-1]] += end
    return copy


def test_there_are_patterns_and_every_kind():
    assert len(PATTERNS) >= 12
    assert {kind_of(path) for path in DOCUMENTS} >= {kind for _, kind in KINDS} - {Verdict}


@pytest.mark.parametrize("pattern", PATTERNS)
@settings(max_examples=20, deadline=None)
@given(st.data())
def test_no_pattern_matches_with_a_character_behind(pattern, data):
    value = data.draw(st.from_regex(pattern))
    assert re.search(pattern, value)
    assert not any(re.search(pattern, value + end) for end in ENDINGS)


@pytest.mark.parametrize("path", DOCUMENTS)
def test_no_text_of_a_document_ends_in_a_control_character(path):
    source = parse(path, FILES[path])
    assert isinstance(source, Source)
    for at in texts(source.data):
        for end in ENDINGS:
            assert isinstance(read(path, to_yaml(ending(source.data, at, end))), list), (at, end)


@pytest.mark.parametrize("path", DOCUMENTS)
def test_schemas_say_the_same(path):
    schema = SCHEMAS[f"schemas/{schema_name(kind_of(path).__name__)}"]
    check, data = Draft202012Validator(schema), parse(path, FILES[path]).data
    assert check.is_valid(data)
    passed = [
        (at, end) for at in texts(data) for end in ENDINGS if check.is_valid(ending(data, at, end))
    ]
    assert not passed


def test_no_pattern_of_the_readers_ends_where_a_newline_may_follow():
    """`$` matches before a newline at the end; `re.fullmatch` and `\\Z` do not."""
    found = []
    for path in (REPOSITORY / "scripts/ml_pipeline").glob("*/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(getattr(node, "func", None), "attr", "")
            if name not in ("compile", "match", "search", "fullmatch") or not node.args:
                continue
            if "MULTILINE" in ast.dump(node):  # where each line is meant
                continue
            for part in ast.walk(node.args[0]):
                text = part.value if isinstance(part, ast.Constant) else ""
                text = text.decode("latin-1") if isinstance(text, bytes) else text
                if isinstance(text, str) and re.search(r"(?<!\\)\$$", text):
                    found.append(f"{path.name}:{node.lineno}: {text}")
    assert not found
