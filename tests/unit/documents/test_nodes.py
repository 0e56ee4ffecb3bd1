"""YAML within limits: what would end the process, or fill its memory, is one line."""

import ast
from pathlib import Path

import pytest
import yaml
from ml_pipeline.documents import nodes
from ml_pipeline.documents.nodes import MAX_LEVELS, MAX_NODES, RefusedYamlError, compose, load_plain
from ml_pipeline.documents.source import parse
from ml_pipeline.rules.kustomize.objects import NotCoveredError, parse_objects

from tests.conftest import REPOSITORY

DEEP = {
    "brackets in comments": b"[ #]\n" * 40_000,
    "brackets in texts": b'["]",' * 40_000,
    "brackets in single quotes": b"['}',{']':" * 20_000,
    "lists": b"[" * 200_000,
    "maps": b"{a: " * 50_000,
    "dashes": b"- " * 100_000,
    "questions": b"? " * 100_000,
    "dashes and questions": b"- ? " * 50_000,
    "indentation": b"".join(b" " * n + b"a:\n" for n in range(700)),
    "texts under indentation": b"".join(b" " * n + b"-\n" for n in range(300))
    + b" " * 300
    + b"- |\n",
    "lists in keys": b"? [" * 50_000,
}
BOMB = b"a: &a [x, x]\n" + b"".join(
    b"%c: &%c [*%c, *%c]\n" % (n, n, n - 1, n - 1) for n in range(98, 123)
)


@pytest.mark.parametrize("name", DEEP)
def test_what_is_deep_is_one_line_for_every_reader(name):
    raw = DEEP[name][: nodes.MAX_BYTES]
    fault = parse("a.yaml", raw)
    assert len(str(fault).splitlines()) == 1
    with pytest.raises(yaml.YAMLError):
        load_plain(raw)
    with pytest.raises(NotCoveredError):
        parse_objects(raw)


@pytest.mark.parametrize("name", DEEP)
def test_levels_are_counted_as_the_parser_sees_them(name):
    with pytest.raises(RefusedYamlError, match=f"nested deeper than {MAX_LEVELS} levels"):
        compose(DEEP[name])


def test_brackets_in_texts_and_comments_are_no_levels():
    assert load_plain(b"a: '" + b"[" * 5000 + b"' # " + b"{" * 5000) == {"a": "[" * 5000}
    assert load_plain(b"- []\n" * 5000) == [[]] * 5000


def test_as_many_levels_as_allowed_are_read():
    assert compose(b"[" * MAX_LEVELS + b"]" * MAX_LEVELS) is not None


def test_an_alias_is_refused_before_it_is_followed():
    assert len(BOMB) < 600
    with pytest.raises(RefusedYamlError) as refused:
        load_plain(BOMB)
    assert (refused.value.line, refused.value.at) == (2, ("b", 0))
    with pytest.raises(NotCoveredError, match="line 2 uses an alias"):
        parse_objects(BOMB, exact=False)


def test_a_merge_of_an_alias_is_refused():
    with pytest.raises(RefusedYamlError):
        load_plain(b"a: &a {x: 1}\nb: {<<: *a}\n")


def test_values_are_counted():
    with pytest.raises(RefusedYamlError, match=f"more than {MAX_NODES} values"):
        compose(b"- 1\n" * (MAX_NODES + 1))


def test_too_many_bytes_are_refused_unread(monkeypatch):
    monkeypatch.setattr(nodes, "compose_all", None)
    raw = b"a: b\n" * 2_000_000
    assert "has 10000000 bytes, at most 262144 are read" in str(parse("a.yaml", raw))
    for reader in (load_plain, parse_objects, lambda raw: parse_objects(raw, exact=False)):
        with pytest.raises((yaml.YAMLError, NotCoveredError), match="at most 262144"):
            reader(raw)


@pytest.mark.parametrize("loader", [yaml.CSafeLoader, yaml.SafeLoader])
def test_nodes_are_those_of_the_library(loader):
    for path in sorted(REPOSITORY.glob("base/**/*.yaml")):
        ours, theirs = compose(path.read_bytes(), loader), yaml.compose(path.read_bytes(), loader)
        assert yaml.serialize(ours) == yaml.serialize(theirs)
        assert load_plain(path.read_bytes()) == yaml.safe_load(path.read_bytes())


def test_a_second_document_is_refused():
    with pytest.raises(yaml.YAMLError, match="expected a single document"):
        compose(b"a: 1\n---\nb: 1\n")


def test_only_one_module_parses_yaml():
    """Whoever reads YAML elsewhere reads it without limits."""
    found = []
    for path in Path(REPOSITORY, "scripts/ml_pipeline").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            is_yaml = isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "yaml"
            if is_yaml and node.attr.startswith(("load", "safe_load", "compose", "parse", "scan")):
                found.append((path.name, node.attr))
    assert sorted(found) == [("nodes.py", "composer")]
