"""`ml-pipeline --version`."""

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from ml_pipeline.commands import console


class ShowVersion(argparse.Action):
    """An option that prints version and revision, and exits."""

    def __init__(self, option_strings: Sequence[str], dest: str, **about: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **about)

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> NoReturn:
        """As argparse calls it."""
        # Imported only now: looking it up takes longer than all else that --help does.
        from ml_pipeline.operations.version import PACKAGE, version

        running = version()
        revision = f", revision {running.revision}" if running.revision else ""
        console.result(f"{PACKAGE} {running.number}{revision}")
        parser.exit(console.OK)
