"""Two files by which whoever keeps a process running sees that it is alive and well.

base/platform/reconcile reads them.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ml_pipeline.adapters.files import write_whole


@dataclass(frozen=True)
class Heartbeat:
    """A folder with `alive`, the Unix time in seconds of the last beat, and maybe `trouble`.

    That one is there while something is wrong, a line each.
    """

    folder: Path

    def start(self) -> None:
        """Take away what another process has left: a new one is not alive before its first beat."""
        (self.folder / "alive").unlink(missing_ok=True)

    def beat(self, trouble: Sequence[str]) -> None:
        """A pass has ended, well or not."""
        # Trouble first: what is alive and has no trouble counts as ready.
        if trouble:
            text = "\n".join((*trouble, ""))
            write_whole(self.folder / "trouble", text.encode())
        else:
            (self.folder / "trouble").unlink(missing_ok=True)
        write_whole(self.folder / "alive", f"{int(time.time())}\n".encode())
