"""What a person wrote stays theirs: a change touches the one value or adds the one key."""

import difflib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ml_pipeline.documents.edit import Setting, edited
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.source import Source, parse

TEXT = """\
# yaml-language-server: $schema=../../schemas/experiment.json

name:   "digits"      # ours
'owner': vision
parameters: {epochs: 30,  hidden: 64}   # short
resources:
    memory: 2Gi   # enough

    cpu: 1
options:   # of base/components
- spot
- kueue  # queued
notes: |
  two
  lines
seed:
"""


def change(text: str, setting: str, order=()) -> str:
    return edited("a.yaml", text.encode(), Setting.parsed(setting), order=order).decode()


@pytest.mark.parametrize(
    ("setting", "before", "after"),
    [
        ("name=wine", 'name:   "digits"      # ours', 'name:   "wine"      # ours'),
        ("owner=nlp", "'owner': vision", "'owner': nlp"),
        ("owner=on", "'owner': vision", "'owner': \"on\""),
        ("parameters.epochs=5", "{epochs: 30,  hidden: 64}", "{epochs: 5,  hidden: 64}"),
        ("parameters.dropout=1e-1", "hidden: 64}", "hidden: 64, dropout: 1e-1}"),
        ("resources.cpu=500m", "    cpu: 1\n", '    cpu: "500m"\n'),
        ("resources.gpus=2", "    cpu: 1\n", "    cpu: 1\n    gpus: 2\n"),
        (
            "options=[gpu-mig]",
            "options:   # of base/components\n- spot\n- kueue  # queued\n",
            "options: [gpu-mig]   # of base/components  # queued\n",
        ),
        ("notes=one", "notes: |\n  two\n  lines\n", "notes: one\n"),
        ("seed=7", "seed:\n", "seed: 7\n"),
        ("notes=@daily", "notes: |\n  two\n  lines\n", 'notes: "@daily"\n'),
        ("seed.deep=7", "seed:\n", "seed: {deep: 7}\n"),
        ("topology.workers=2", "seed:\n", "seed:\ntopology: {workers: 2}\n"),
    ],
)
def test_only_the_value_changes(setting, before, after):
    assert before in TEXT
    assert change(TEXT, setting) == TEXT.replace(before, after)


def test_new_key_stands_behind_those_that_come_before_it():
    assert change("a: 1\nc: 3  # last\n", "b=2", order="abc") == "a: 1\nb: 2\nc: 3  # last\n"
    assert change("c: 3\n", "b=2", order="abc") == "c: 3\nb: 2\n"


def test_new_key_stands_behind_a_block_of_lines():
    assert change("a: |\n  text\n\n# end\n", "b=2") == "a: |\n  text\n\nb: 2\n# end\n"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_stay(end):
    text = TEXT.replace("\n", end)
    assert change(text, "topology.workers=2") == f"{text}topology: {{workers: 2}}{end}"
    assert change(text, "notes=one").count(end) == len(text.split(end)) - 3


def test_missing_line_break_at_the_end_stays_missing():
    assert change("a: 1\nb: 2", "c=3") == "a: 1\nb: 2\nc: 3"
    assert change("a: 1\nb: 2", "b=3") == "a: 1\nb: 3"


def test_byte_order_mark_stays():
    assert change("\ufeffa: 1\nb: 2\n", "b=3") == "\ufeffa: 1\nb: 3\n"


@pytest.mark.parametrize(
    ("text", "setting", "after"),
    [
        ("a: {}\n", "a.b=1", "a: {b: 1}\n"),
        ("a: {b}\n", "a.b=1", "a: {b: 1}\n"),
        ("a: {b: }\n", "a.b=1", "a: {b: 1 }\n"),
        ("a: {b: 1,}\n", "a.c=2", "a: {b: 1, c: 2,}\n"),
        ("a: {b: 1, # x\n    c: 2  # y\n  }\n", "a.d=3", "a: {b: 1, # x\n    c: 2, d: 3  # y\n  }\n"),
        ("{a: 1}\n", "b=x", "{a: 1, b: x}\n"),
        ("---\na: 1\n...\n", "b=2", "---\na: 1\nb: 2\n...\n"),
        ("a: one\n  two\nb: 1\n", "a=x", "a: x\nb: 1\n"),
        ("a:\n  b: 1\n  # of b\n\n# of c\nc: 1\n", "a.d=2", "a:\n  b: 1\n  d: 2\n  # of b\n\n# of c\nc: 1\n"),
        ("a: 'it''s'\n", "a=it's on", "a: 'it''s on'\n"),
        ('a: "x"\n', "a='say \"\\'", 'a: "say \\"\\\\"\n'),
    ],
)  # fmt: skip
def test_layouts_of_people(text, setting, after):
    assert change(text, setting) == after


@pytest.mark.parametrize("setting", ["epochs", "=5", "a..b=1", "a=[", "a=1\nb: 2"])
def test_malformed_settings_are_named(setting):
    with pytest.raises(PipelineError, match=r"must be KEY=VALUE, such as parameters.epochs=5"):
        Setting.parsed(setting)


def test_parent_that_holds_no_keys_is_named():
    with pytest.raises(PipelineError, match="--set 'seed.deeper=1': seed holds no keys"):
        change("seed: 7\n", "seed.deeper=1")


def test_what_cannot_be_changed_in_place_is_refused():
    with pytest.raises(PipelineError, match=r"a.yaml: b: cannot be set in this layout"):
        change("a: |\n  no line break at the end", "b=1")


NAMES = st.sampled_from(["a", "b", "long-name", "on", "7", "it's", "x y"])
WORDS = st.one_of(
    st.text("ab 01:-_#'\"{}[],&*!|>%@`\\é\u2028\t", max_size=8),
    st.sampled_from(["sha256:" + "a" * 8, "1e-3", "0.5", "07", "true", "null", "~", "-", "=", "<<"]),
)  # fmt: skip
SCALARS = st.one_of(WORDS, st.integers(-99, 99), st.booleans(), st.none())
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3)
)
DOCUMENTS = st.dictionaries(NAMES, VALUES, min_size=1, max_size=4)


class Laid:
    """Lays data out as people do: at each value another style, comments and blank lines between."""

    def __init__(self, draw, end: str) -> None:
        self.draw, self.end = draw, end

    def coin(self) -> bool:
        return self.draw(st.booleans())

    def note(self) -> str:
        return self.draw(st.sampled_from(["", "", "   # why: {so}"]))

    def flow(self, value) -> str:
        if isinstance(value, dict):
            inner = [f"{self.scalar(key)}: {self.flow(item)}" for key, item in value.items()]
            return "{" + self.draw(st.sampled_from([", ", ",  "])).join(inner) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(map(self.flow, value)) + "]"
        return self.scalar(value)

    def scalar(self, value) -> str:
        if isinstance(value, str):
            if value.isalpha() and value.isascii() and value != "on" and self.coin():
                return value
            if "'" not in value and value.isprintable() and self.coin():
                return f"'{value}'"
            return '"' + "".join(f"\\U{ord(character):08x}" for character in value) + '"'
        return {None: "null", True: "true", False: "false"}.get(value, str(value))

    def block(self, value, indent: str) -> str:
        if isinstance(value, list):
            rows = [(f"{indent}-", item, "  ") for item in value]
        else:
            rows = [(f"{indent}{self.scalar(key)}:", item, "  ") for key, item in value.items()]
        out = ""
        for head, item, step in rows:
            if self.coin() and self.coin():
                out += self.draw(st.sampled_from([f"{indent}# a: note{self.end}", self.end]))
            if isinstance(item, dict | list) and item and self.coin():
                out += f"{head}{self.note()}{self.end}{self.block(item, indent + step)}"
            elif item is None and self.coin():
                out += f"{head}{self.note()}{self.end}"
            else:
                out += f"{head} {self.flow(item)}{self.note()}{self.end}"
        return out


@st.composite
def laid(draw) -> str:
    end = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    text = Laid(draw, end).block(draw(DOCUMENTS), "")
    if draw(st.booleans()):
        text = text.removesuffix(end)
    return text


@st.composite
def settings_for(draw, text: str) -> Setting:
    """A setting of a key that is there, or of one that is not, at any depth."""
    data, keys = parse("a.yaml", text.encode()).data, []
    while True:
        keys.append(draw(st.sampled_from([*data, *data, "new", "on"]) if data else NAMES))
        inner = data.get(keys[-1]) if isinstance(data, dict) else None
        if not isinstance(inner, dict) or draw(st.booleans()):
            break
        data = inner
    return Setting(tuple(keys), draw(VALUES), "random")


@given(st.data())
def test_random_documents_keep_every_line_but_the_changed_one(data):
    text = data.draw(laid())
    setting = data.draw(settings_for(text))
    before = parse("a.yaml", text.encode())
    assert isinstance(before, Source), text
    after = edited("a.yaml", text.encode(), setting)
    assert parse("a.yaml", after).data == setting.applied(before.data)
    blocks = difflib.SequenceMatcher(
        None, text.splitlines(keepends=True), after.decode().splitlines(keepends=True), autojunk=False
    ).get_opcodes()  # fmt: skip
    changed = [block for block in blocks if block[0] != "equal"]
    assert len(changed) <= 2
    old = sum(block[2] - block[1] for block in changed)
    assert old <= 1 + len(lines_of(before, setting.keys))


TOKENS = [
    "a",
    "b",
    ": ",
    ":",
    "- ",
    "? ",
    "{",
    "}",
    "[",
    "]",
    ", ",
    "\n",
    "\n  ",
    " ",
    "#",
    " # c",
    ">",
    "'",
    '"',
    "&x ",
    "!!str ",
    "---",
    "...",
    "1",
    "null",
    "\r\n",
    "\t",
    "\ufeff",
    "\x85",
]


@given(
    st.lists(st.sampled_from([*TOKENS, "|"]), max_size=14).map("".join),
    st.sampled_from(["a", "b", "c", "a.b", "a.c.d"]),
)
def test_any_readable_text_is_changed_as_asked_or_refused(text, key):
    source = parse("a.yaml", text.encode())
    if isinstance(source, Source):
        setting = Setting(tuple(key.split(".")), "x", f"{key}=x")
        try:
            after = edited("a.yaml", text.encode(), setting)
        except PipelineError:
            return
        assert parse("a.yaml", after).data == setting.applied(source.data)


def lines_of(source: Source, keys: tuple[str, ...]) -> set[int]:
    """Lines on which something of the value stands that is replaced, with the blank lines and comments between."""
    inside = [line for at, line in source.lines.items() if at[: len(keys)] == keys]
    return set(range(min(inside), max(inside) + 1)) if inside else set()
