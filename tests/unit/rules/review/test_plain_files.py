import pytest
from ml_pipeline.rules.review.plain_files import plain_faults

PATH = "experiments/a/experiment.yaml"


def said(raw: bytes, path: str = PATH) -> list[str]:
    return [str(fault) for fault in plain_faults({path: raw})]


@pytest.mark.parametrize(
    "sign",
    [
        "\x00",
        "\x07",
        "\x0b",
        "\x1b",
        "\x7f",
        "\x85",
        "\x9b",
        "\u2028",
        "\u2029",
        "\u202a",
        "\u202e",
        "\u2066",
        "\u2069",
        "\u200e",
        "\u200f",
        "\u061c",
        "\ufeff",
    ],
)
def test_character_that_is_not_seen_is_found_at_its_line(sign):
    text = f"holds U+{ord(sign):04X}, a character that is not seen; delete it"
    assert said(f"a: b\n# {sign}\n".encode()) == [f"{PATH}:2: {text}"]


def test_carriage_return_is_found():
    text = "holds U+000D, a carriage return; end lines with a newline alone"
    assert said(b"a: b\r\n") == [f"{PATH}:1: {text}"]


def test_text_of_any_language_is_fine():
    assert said("a: größe\t中文 \N{GRINNING FACE}\n".encode()) == []


@pytest.mark.parametrize(
    "line",
    [
        "* filter=lfs",
        "*.yaml\tident",
        "/base/** working-tree-encoding=UTF-16",
        "*.yaml text eol=crlf",
        "[attr]x filter=y",
        '"a b" -text ident',
        "experiments/x filter=lfs",
        "d?cs/* filter=lfs",
    ],
)
def test_attribute_that_converts_is_found(line):
    (text,) = said(f"{line}\n".encode(), ".gitattributes")
    assert "gives a checkout other bytes than Flux reads" in text


@pytest.mark.parametrize(
    "line", ["docs/*.png filter=lfs", "# * filter=lfs", "* text=auto", "* -diff", ""]
)
def test_attribute_that_does_not_reach_here_is_fine(line):
    assert said(f"{line}\n".encode(), ".gitattributes") == []


def test_other_folders_name_means_nothing_in_a_folder_of_ours():
    (text,) = said(b"docs/* ident\n", "base/.gitattributes")
    assert text.startswith("base/.gitattributes:1: 'ident'")


@pytest.mark.parametrize("path", [".sourceignore", "base/training-job/.sourceignore"])
def test_rules_of_what_flux_leaves_out_are_found(path):
    (text,) = said(b"*\n", path)
    assert text.startswith(f"{path}:1: hides files from Flux")
