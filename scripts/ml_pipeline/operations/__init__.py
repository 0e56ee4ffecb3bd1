"""What commands, Python users and DAGs share: values in, values out; they print nothing.

An operation that takes long, or tries again, tells so line by line through `talk`.
"""

from collections.abc import Callable

Talk = Callable[[str], None]
"""Takes one line about what is going on."""


def silent(line: str) -> None:
    """Tells nobody."""
