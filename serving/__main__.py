"""`python -m serving`: serve the model at MLSERVER_MODEL_URI with
MLServer, if its bytes are the promoted ones.

The Seldon operator sets the MLSERVER_* variables; MODEL_SHA256 comes from the receipt of the run.
Exit code 42: the bytes differ, or a variable is missing, and a restart would not help.
"""

import hashlib
import os
import sys
import tempfile
from pathlib import Path

REFUSED = 42
# What is said here counts, whatever the operator says: which class serves the model, no tracebacks
# in answers, and one process, so that all of its errors pass the same place.
OURS = {
    "MLSERVER_MODEL_IMPLEMENTATION": "serving.runtime.ModelRuntime",
    "MLSERVER_DEBUG": "false",
    "MLSERVER_PARALLEL_WORKERS": "0",
}


def main() -> int:
    """Check, then become MLServer."""
    folder, declared = (
        Path(os.environ.get("MLSERVER_MODEL_URI", "")),
        os.environ.get("MODEL_SHA256", ""),
    )
    if not folder.is_dir() or not declared:
        return _refuse(
            f"no model at MLSERVER_MODEL_URI={str(folder)!r}, or MODEL_SHA256 is not set; promote "
            "a run whose model exists"
        )
    found = folder_sha256(folder)
    if found != declared:
        return _refuse(
            f"the model in {folder} has the sha256 {found}, promoted was {declared}; restore the "
            "bytes or promote another run"
        )
    program = [sys.executable, "-m", "serving.server", "start"]
    folder_of_settings = os.environ.get("MLSERVER_FOLDER", tempfile.gettempdir())
    command = [*program, folder_of_settings]
    return os.execve(sys.executable, command, os.environ | OURS)  # noqa: S606  no shell


def folder_sha256(folder: Path) -> str:
    """SHA-256 of a folder: of its sorted `sha256sum` lines."""
    lines = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        with path.open("rb") as source:
            lines.append(
                f"{hashlib.file_digest(source, 'sha256').hexdigest()}  "
                f"{path.relative_to(folder).as_posix()}\n"
            )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _refuse(reason: str) -> int:
    sys.stderr.write(f"refused to serve: {reason}\n")
    return REFUSED


if __name__ == "__main__":
    sys.exit(main())
