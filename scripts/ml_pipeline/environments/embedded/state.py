"""Where the embedded environment keeps what it knows: one folder, plain files, replaced whole.

`records.py` says what stands in them.
"""

import errno
import json
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from ml_pipeline.adapters.files import write_whole
from ml_pipeline.documents.faults import PipelineError

MARKER = "ML_PIPELINE_STATE"
Json = dict[str, Any]  # what a file holds, or is to hold, as it is written


@dataclass(frozen=True)
class State:
    """The folder `.ml-pipeline` of a checkout."""

    root: Path

    @property
    def origin(self) -> Path:
        """The git server of this machine, a bare repository."""
        return self.root / "origin.git"

    @property
    def automation(self) -> Path:
        """The repository in which `reconcile` makes its commits."""
        return self.root / "automation.git"

    def pod(self, name: str) -> Path:
        """Folder of one pod: spec.json, status.json and log."""
        return self.root / "pods" / name

    def volume(self, claim: str) -> Path:
        """Folder of a PersistentVolumeClaim."""
        return self.root / "volumes" / claim

    @property
    def lock(self) -> Path:
        """Held by whoever starts or stops the environment."""
        return self.root / "lock"

    def log(self, service: str) -> Path:
        """Log of the environment itself or of a service."""
        return self.root / "logs" / f"{service}.log"

    def read(self, name: str) -> Any:
        """A state file, None where there is none.

        Raises:
            DamagedStateError: it holds something else.
        """
        return read_json(self.file(name))

    def file(self, name: str) -> Path:
        """Path of a state file."""
        return self.root / f"{name}.json"

    def write(self, name: str, data: Any) -> None:
        """Replace a state file."""
        write_whole(self.file(name), json.dumps(data, indent=1).encode())

    def drop(self, name: str) -> None:
        """Remove a state file."""
        self.file(name).unlink(missing_ok=True)

    def rename(self, name: str, new: str) -> None:
        """Give a state file that is there another name, also on a disk that is full."""
        with suppress(FileNotFoundError):
            self.file(name).replace(self.file(new))

    def names(self, kind: str) -> list[str]:
        """Names below a folder of state files, such as `jobs`."""
        return sorted(path.stem for path in (self.root / kind).glob("[!.]*.json"))

    def forget_the_interrupted(self) -> None:
        """Remove what only held while it ran, and files that a kill has left unfinished."""
        for folder in (self.root, self.root / "jobs", self.root / "serving"):
            for path in folder.glob(".*.json.*"):
                path.unlink(missing_ok=True)
        for model in self.names("serving"):
            self.drop(f"serving/{model}")

    def environ(self) -> dict[str, str]:
        """What every process of the environment inherits: little, and the mark for `down`."""
        environ = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.root),
            # By this `down` finds whoever is left, whatever became of his parents.
            MARKER: str(self.root),
        }
        for name in ("LANG", "SSL_CERT_FILE", "TERM"):
            if name in os.environ:
                environ[name] = os.environ[name]
        return environ


class DamagedStateError(PipelineError):
    """A state file does not say what it should; carries which one. None is needed to go on."""

    def __init__(self, path: Path, why: str) -> None:
        self.path = path
        super().__init__(
            f"{path}: {why}; remove it with `rm -f {quote(str(path))}`, and `ml-pipeline down` and "
            "`ml-pipeline up` go on without what it said"
        )


def read_json(path: Path) -> Any:
    """The data of a JSON file, None where there is none.

    Raises:
        DamagedStateError: it holds something else.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise DamagedStateError(path, "is no JSON") from error


def free_port(wanted: int = 0) -> int:
    """A TCP port of the loopback interface that nothing listens on; the wanted one if free.

    Whoever is to listen there may find it taken in the meantime: he ends, and is started anew.
    """
    for port in (wanted, 0):
        with socket.socket() as probe:
            # Or the port of a server that has just ended would count as taken for a minute.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError(errno.EADDRINUSE, "no port is free", "127.0.0.1")
