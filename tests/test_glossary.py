"""docs/glossary.md: one word a concept, in public names and in the keys of documents."""

import ast
import re
from collections.abc import Iterator

import pytest
from ml_pipeline.documents.reader import KINDS

from tests.conftest import REPOSITORY

ROWS = re.findall(
    r"^\| ([a-z ,]+) \| (.+) \| (.+) \|$",
    (REPOSITORY / "docs/glossary.md").read_text(),
    re.MULTILINE,
)[1:]
PACKAGE = REPOSITORY / "scripts/ml_pipeline"


def public_names() -> Iterator[tuple[str, str]]:
    """Names of modules, classes, functions, parameters and fields, and where they stand."""
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE).as_posix()
        yield path.stem, place
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                yield node.name, place
            elif isinstance(node, ast.arg):
                yield node.arg, place
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                yield node.target.id, place


def document_keys() -> Iterator[tuple[str, str]]:
    """Keys at the top of each kind of document."""
    for _, kind in KINDS:
        for name, field in kind.model_fields.items():
            yield field.alias or name, kind.__name__


def words_of(name: str) -> str:
    """A name as words between underscores: `_run_identity_`."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_")
    return f"_{snake}_"


NAMES = [
    (words_of(name), name, place)
    for name, place in {*public_names(), *document_keys()}
    if not name.startswith("_")
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_nothing_is_named_by_another_word(row):
    word, _, others = row
    wrong = [
        f"{place}: {name}"
        for other in others.split(", ")
        for words, name, place in NAMES
        if f"_{other}_" in words or f"_{other}s_" in words
    ]
    assert wrong == [], f"call it {word}"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_every_word_names_something(row):
    text = "".join(words for words, _, _ in NAMES)
    missing = [word for word in row[0].split(", ") if word.replace(" ", "_") not in text]
    assert missing == []
