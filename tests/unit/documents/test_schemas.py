import json

import pytest
from ml_pipeline.documents.reader import KINDS
from ml_pipeline.documents.schemas import editor_comment, schema_files, schema_name

from tests.conftest import REPOSITORY


@pytest.mark.parametrize("path", sorted(schema_files()))
def test_committed_schema_is_current(path):
    assert (REPOSITORY / path).read_bytes() == schema_files()[path], "run `ml-pipeline schemas`"


def test_editor_comment_leads_to_the_schema():
    comment = editor_comment("experiments/a/runs/0.yaml", "Run")
    assert comment == "# yaml-language-server: $schema=../../../schemas/run.json\n"


def test_names_are_kebab_case():
    assert schema_name("DataVersion") == "data-version.json"


def keys(schema: dict):
    for part in [schema, *schema.get("$defs", {}).values()]:
        yield from ((part["title"], name, key) for name, key in part.get("properties", {}).items())


@pytest.mark.parametrize("kind", [kind for _, kind in KINDS], ids=lambda kind: kind.__name__)
def test_every_key_says_what_it_is_for_and_whether_it_is_required(kind):
    schema = json.loads(schema_files()[f"schemas/{schema_name(kind.__name__)}"])
    lacking = [
        (title, name)
        for title, name, key in keys(schema)
        if not any(
            w in key.get("description", "") for w in ("required", "default", "pins", "cannot be")
        )
    ]
    assert not lacking


def test_unknown_keys_are_refused_in_every_part():
    open_parts = [
        p["title"]
        for raw in schema_files().values()
        for p in [json.loads(raw), *json.loads(raw).get("$defs", {}).values()]
        if "properties" in p and p.get("additionalProperties") is not False
    ]
    assert not open_parts


@pytest.mark.parametrize(
    "path", sorted(p.relative_to(REPOSITORY).as_posix() for p in REPOSITORY.glob("e*/*/e*.yaml"))
)
def test_documents_begin_with_the_editor_comment(path):
    first = (REPOSITORY / path).read_text().splitlines()[0]
    schema = (REPOSITORY / path).parent / first.removeprefix("# yaml-language-server: $schema=")
    assert schema.resolve().is_relative_to(REPOSITORY / "schemas")
    assert schema.exists()
