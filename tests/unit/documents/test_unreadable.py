"""A file that is no YAML: the line and the words are those of the mistake, not of the place where the parser gave up."""

import pytest
from ml_pipeline.documents.faults import Fault
from ml_pipeline.documents.source import parse


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\n\tb: 2\n", "2: is indented with a tab; use spaces"),
        ("a:\n  \tb: 2\n", "2: is indented with a tab; use spaces"),
        ("seed:7\nname: x\n", "1: seed: lacks the space after the colon; write 'seed: 7'"),
        ("name: x\nseed:7", "2: seed: lacks the space after the colon; write 'seed: 7'"),
        ("p:\r\n  seed:7\r\n  x: 1\r\n", "2: seed: lacks the space after the colon; write 'seed: 7'"),
        ("uri:bundled://digits\nb: 1\n", "1: uri: lacks the space after the colon; write 'uri: bundled://digits'"),
        ("a: {b: 1\nc: 2\n", "1: the '{' is still open in line 2; close it with '}', or add the comma"),
        ("a: 1\nb: {c: 1,\n  d: [1\n\ne: 2\n", "3: the '[' is still open in line 5; close it with ']', or add the comma"),
        ("a: {b: 1", "1: the '{' is not closed; close it with '}'"),
        ("a: 1\nb: \"x\nc: 2\n", '2: the " is not closed; add the other one'),
        ("a: 'x\nb: 2\n", "1: the ' is not closed; add the other one"),
        ("a: 1\n b: 2\n", "2: is not YAML: mapping values are not allowed in this context; check indentation and quotes"),
    ],
)  # fmt: skip
def test_mistake_is_named_at_its_line(text, said):
    assert str(parse("a.yaml", text.encode())) == f"a.yaml:{said}"


@pytest.mark.parametrize("text", ["a:\t1\nb: \t2\n", "a: x:y\n", "a: http://x\n", 'a: "b:c"\n'])
def test_what_is_yaml_is_read(text):
    assert not isinstance(parse("a.yaml", text.encode()), Fault)
