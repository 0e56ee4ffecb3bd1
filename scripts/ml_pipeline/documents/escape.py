"""Text of others made harmless for the place that it stands in: one function for each place.

Names, paths, keys, values and messages are whatever somebody wrote. A comment is made of `Markdown`
alone, which only this module makes: `say` puts every other text into code, where GitHub knows no
link, mention, commit, HTML or emphasis.
"""

import re

SHOWN, LONGEST = 300, 1000  # characters: of a line in a comment, of a fault anywhere
_QUOTED = 60
_PLAIN_KEY = re.compile(r"[\w./-]{1,60}\Z", re.ASCII)
# What a terminal obeys or does not show: C0 but tab and newline, C1, what turns text around, joins
# or hides it, and no characters.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
# User and password in an address. A user alone is none to hide where ssh needs one: ssh://git@host.
_CREDENTIALS = re.compile(r"://([^/?#\s]*)@")
_SSH_USER = re.compile(r"ssh://[^/?#\s:@]*@")
_NO_WORD = re.compile(r"[^A-Za-z ']")


class Markdown(str):
    """A line of Markdown in which no text of others has a meaning."""

    __slots__ = ()


def line(text: str, most: int | None = None) -> str:
    """One line of seen characters, at most `most` of them; others are written as their escape."""
    joined = _seen(" ".join(text.split()))
    return joined if most is None or len(joined) <= most else f"{joined[: most - 3]}..."


def terminal(text: str) -> str:
    """Text that a terminal shows and does not obey; newlines and tabs stay."""
    return _seen(text)


def log_of_actions(text: str) -> str:
    """Text in which GitHub Actions finds no workflow command.

    Those are `::name::` where a line begins, and `##[name]` anywhere.
    """
    return re.sub(r"(?m)^(\s*):(?=:)", r"\1: ", text).replace("##[", "## [")


def annotation(level: str, message: str, **properties: str | int) -> str:
    """A workflow command that GitHub shows beside the code.

    It is written as https://github.com/actions/toolkit does, `command.ts`.
    """
    pairs = [f"{name}={_data(str(value), ':,')}" for name, value in properties.items()]
    return f"::{level} {','.join(pairs)}::{_data(message)}"


def say(template: str, *values: str | int) -> Markdown:
    """A line of our own Markdown with a value for each `{}`.

    Markdown and numbers stand as they are, every other text in code.
    """
    return Markdown(template.format(*map(_value, values)))


def code(text: str) -> Markdown:
    """A code span that cannot be closed from inside."""
    inside = line(text, SHOWN).replace("`", "'")
    # Two backticks with nothing between them would open a span of another kind.
    return Markdown(f"`{inside or chr(39) * 2}`")


def words(text: str) -> Markdown:
    """A name of ours in a heading: letters, spaces and apostrophes, and nothing else."""
    return Markdown(_NO_WORD.sub("", text))


def fenced(sign: str, text: str, *, indented: bool = False) -> Markdown:
    """A line of a block fenced by three backticks, after a sign of ours; it cannot close it."""
    room = text[: len(text) - len(text.lstrip(" "))] if indented else ""
    inside = line(text, SHOWN).replace("```", "'''")
    return Markdown(f"{sign} {room[:SHOWN]}{inside}")


def has_credentials(text: str) -> bool:
    """Whether a text holds an address with a password, or with a user where ssh needs none."""
    return without_credentials(text) != text


def without_credentials(text: str) -> str:
    """The text with `***` in place of users and passwords in addresses."""
    return _CREDENTIALS.sub(lambda match: _hidden(text, match), text)


def shown_key(name: str) -> str:
    """A key of a document in a fault: as it is where it is a plain word, else quoted and cut."""
    return name if _PLAIN_KEY.match(name) else shown(name)


def shown(value: object) -> str:
    """A value in a fault: quoted, at most 60 characters, without credentials in addresses."""
    plain = isinstance(value, str | int | float) and not isinstance(value, bool)
    text = without_credentials(repr(str(value)) if plain else repr(value))
    return _seen(text if len(text) <= _QUOTED else text[: _QUOTED - 3] + "...")


def _hidden(text: str, match: re.Match[str]) -> str:
    begin = match.start() - len("ssh")
    is_ssh_user = begin >= 0 and _SSH_USER.fullmatch(text, begin, match.end())
    return match[0] if is_ssh_user else "://***@"


def _value(value: str | int) -> str:
    return str(value) if isinstance(value, Markdown | int) else code(value)


def _data(text: str, more: str = "") -> str:
    # The percent sign first, so that no escape is escaped again.
    for sign in ("%", "\r", "\n", *more):
        text = text.replace(sign, f"%{ord(sign):02X}")
    return _seen(text)


def _seen(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return _UNSEEN.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
