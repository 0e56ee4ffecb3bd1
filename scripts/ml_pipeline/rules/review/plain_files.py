"""What a file of the tree must be so that every reader reads the same: a plain file of plain text.

git, Flux, Kustomize, a browser and a terminal disagree about the rest: Flux leaves links out of
what it fetches, a filter gives a checkout other bytes than those that Flux reads, and a control
character shows a reviewer another text than a parser sees.
"""

import re
from collections.abc import Iterable, Iterator

from ml_pipeline.documents.faults import Fault, InvalidDocumentsError
from ml_pipeline.documents.snapshot import Files
from ml_pipeline.documents.source import Special
from ml_pipeline.documents.unreadable import unseen
from ml_pipeline.layout import ROOTS, file_of

PLAIN = "100644"
ATTRIBUTES, IGNORE = ".gitattributes", ".sourceignore"
# What every reading takes along: files at the top that decide what is made of those below the
# roots.
READ = (*ROOTS, ATTRIBUTES, IGNORE)
# Names that git makes for nobody, but that the objects of a commit made by hand can hold.
_NEVER = {"", ".", "..", ".git"}
_MODES = {
    "120000": "is a symbolic link, which Flux leaves out; replace it by the file",
    "160000": "is a submodule, which Flux leaves out; replace it by its files",
    "100755": "is executable; take that away with `git update-index --chmod=-x`",
}
# C0 but tab and newline, DEL and C1, the line and paragraph separators, and what turns the
# direction of text around, and the mark of byte order, with which some editors begin a file.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)
# Deleting these leaves nothing of nearly every file, twenty times as fast as a search.
_SEEN = bytes([*b"\t\n", *range(0x20, 0x7F)])
# Attributes with which a checkout holds other bytes than git's object; the word alone, as a macro
# may stand for it.
_CONVERTING = re.compile(r"(?<![\w-])(?:working-tree-encoding|ident|filter|eol|crlf)(?![\w-])")


def refuse_special(modes: Iterable[tuple[str, str]]) -> None:
    """Refuse what is no plain file, or has a name that shows otherwise than it is: path and mode,
    as git writes it.

    Raises:
        InvalidDocumentsError: with every fault.
    """
    faults = []
    for path, mode in modes:
        if not path.isprintable():
            faults.append(_name_fault(path))
        if not _NEVER.isdisjoint(path.split("/")):
            text = "the name leads out of its folder, which no checkout has; make the commit anew"
            faults.append(Fault(_shown(path), 1, "", text))
        if mode != PLAIN:
            faults.append(Fault(_shown(path), 1, "", _special_text(mode)))
    if faults:
        raise InvalidDocumentsError(faults)


def special(mode: str, blob: str) -> Special:
    """What stands for a file that is no plain one where the others are read all the same; mode and
    blob id, as git writes them."""
    return Special(mode, blob, _special_text(mode))


def special_faults(files: Files) -> Iterator[Fault]:
    """Every file of a revision that is no plain file, or has a name that shows otherwise than it
    is."""
    for path, raw in files.items():
        if not path.isprintable():
            yield _name_fault(path)
        if isinstance(raw, Special):
            yield raw.fault(_shown(path))


def plain_faults(files: Files, paths: Iterable[str] | None = None) -> Iterator[Fault]:
    """Every file that is not plain text, and every attribute or rule that makes its readers read
    something else; with `paths`, of those alone."""
    for path in files if paths is None else paths:
        raw = files[path]
        fault = _text_fault(path, raw)
        if fault:
            yield fault
        name = file_of(path)
        if name == IGNORE:
            text = "hides files from Flux; delete it, `spec.ignore` says what Flux fetches"
            yield Fault(path, 1, "", text)
        elif name == ATTRIBUTES and fault is None:
            yield from _attribute_faults(path, raw.decode())


def _special_text(mode: str) -> str:
    return _MODES.get(mode, f"is no plain file (mode {mode}); replace it by one")


def _name_fault(path: str) -> Fault:
    text = "the name holds what is not printable UTF-8; rename the file"
    return Fault(_shown(path), 1, "", text)


def _shown(path: str) -> str:
    return path if path.isprintable() else ascii(path)


def _text_fault(path: str, raw: bytes) -> Fault | None:
    """The first thing in a file that is not plain text."""
    if not raw.translate(None, _SEEN):
        return None
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        said = f"byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8"
        return Fault(path, raw.count(b"\n", 0, error.start) + 1, "", said)
    hidden = _HIDDEN.search(text)
    if hidden is None:
        return None
    line = text.count("\n", 0, hidden.start()) + 1
    if hidden[0] == "\r":
        said = "holds U+000D, a carriage return; end lines with a newline alone"
        return Fault(path, line, "", said)
    return unseen(path, line, ord(hidden[0]))


def _attribute_faults(path: str, text: str) -> Iterator[Fault]:
    for number, line in enumerate(text.splitlines(), 1):
        pattern, *attributes = line.split() or ["#"]
        found = _CONVERTING.search(" ".join(attributes))
        if found is None or pattern.startswith("#") or (path == ATTRIBUTES and _elsewhere(pattern)):
            continue
        rule = (
            f"{found[0]!r} gives a checkout other bytes than Flux reads; "
            "remove it, or begin the pattern with another folder"
        )
        yield Fault(path, number, "", rule)


def _elsewhere(pattern: str) -> bool:
    """Whether a pattern of the top's .gitattributes means nothing below the roots: it begins with
    another folder's plain name."""
    top, slash, _ = pattern.removeprefix("/").partition("/")
    return bool(slash and re.fullmatch(r"[\w.-]+", top)) and top not in ROOTS
