"""Whatever stands in a name, a path, a key or a message: a comment parsed as Markdown is the one that harmless texts give."""

import ast

from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from ml_pipeline.documents import escape
from ml_pipeline.rules.review.comment import LIMIT, ROOM, Check, comment
from ml_pipeline.rules.review.consequence import Consequence
from ml_pipeline.rules.review.diff import FieldChange, ObjectChange

from tests.conftest import REPOSITORY

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
SHARDS = (
    *("@team", "o/r#1", "#123", "GH-1", "a" * 40, "https://x.y/z", "www.x.y", "me@x.y", "[a](b)"),
    *("![a](b)", "[a]: b", "<img src=x>", "<!--", "-->", "</details>", "<b>", "&lt;", "&#64;"),
    *("```", "~~~", "`", "``", "\\", "|", "\n---|---\n", "\n===\n", "\n# ", "\n- ", "\n> ", "*"),
    *("_", "~~", "\n", "\r", "\r\n", "\t", "    ", " ", "\x0b", "\x85", "\u2028", "\x1b[31m"),
    *("\u202e", "\u200b", "\ufeff", "\udcff", "\0", "::error::", "##[error]", "%0A", "{}", "x"),
)
HOSTILE = st.one_of(
    st.lists(st.sampled_from(SHARDS), max_size=12).map("".join),
    st.text(st.characters(), max_size=40),
)


def whole(texts: list[str]) -> str:
    """A comment with a text of others in each place that takes one."""
    t = iter(texts)
    # What is built comes from UTF-8, in which there are no surrogates.
    key, inner, value = (next(t).encode(errors="replace").decode() for _ in range(3))
    content = {key: {inner: [value]}}
    fields = (FieldChange((next(t), next(t)), next(t), next(t)),)
    return comment(
        [Consequence("trains", next(t), next(t), 1.0, 2.0, next(t))],
        [
            ObjectChange("change", next(t), next(t), next(t), fields, next(t)),
            ObjectChange("create", next(t), "", next(t), content=content),
        ],
        [
            Check("documents", (next(t), next(t))),
            Check("budgets", note=next(t) or "x"),
            Check("policies", no_answer=next(t) or "x"),
            Check("people's own places", no_answer=next(t) or "x", crashed=True),
        ],
        notes=[next(t)],
        hints=[next(t)],
    )


PLACES = 23


def structure(markdown: str) -> list[tuple[str, str, str]]:
    """What a parser makes of it, without what stands in code."""
    found = []
    for block in PARSER.parse(markdown):
        for token in (block, *(block.children or ())):
            is_code = token.type in ("code_inline", "fence", "inline")
            found.append((token.type, token.tag, "" if is_code else token.content))
    return found


@given(st.lists(HOSTILE, min_size=PLACES, max_size=PLACES))
@settings(max_examples=400, deadline=None)
def test_comment_of_hostile_texts_has_the_structure_of_a_harmless_one(texts):
    said = whole(texts)
    assert structure(said) == structure(whole(["x"] * PLACES))
    assert not [sign for sign in said if sign != "\n" and escape.terminal(sign) != sign]
    said.encode()


@given(st.lists(HOSTILE, min_size=PLACES, max_size=PLACES), st.data())
@settings(max_examples=100, deadline=None)
def test_every_place_of_the_comment_takes_its_text(texts, data):
    """A place that drops its text would pass the test above."""
    place = data.draw(st.integers(0, PLACES - 1))
    assert "needle" in whole([*texts[:place], "needle", *texts[place + 1 :]])


def test_long_lines_never_leave_code_open():
    """Six times more than fits, in every part."""
    checks = [Check("documents", tuple("@team " * 60 for _ in range(50))) for _ in range(20)]
    notes = ["#1 " * 100] * 50
    said = comment([], [ObjectChange("create", "Job", "t", "j")], checks, notes=notes)
    assert ROOM - 1_000 < len(said) <= ROOM < LIMIT
    texts = [text for kind, _, text in structure(said) if kind == "text"]
    assert not [text for text in texts if "@" in text or "#" in text]
    assert "There is more than fits" in said
    assert said.endswith("</details>\n")


def test_only_templates_of_our_own_become_markdown():
    """`say` takes its first text as Markdown: it is a literal, or the marker; nobody else makes Markdown."""
    for path in (REPOSITORY / "scripts/ml_pipeline").rglob("*.py"):
        for call in (node for node in ast.walk(ast.parse(path.read_text()))):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
                continue
            if call.func.id == "Markdown":
                assert path.name == "escape.py"
            if call.func.id == "say" and path.name != "escape.py":
                first = call.args[0]
                assert isinstance(first, ast.Constant) or ast.unparse(first) == "MARKER"
