"""Files to write and to delete, computed whole before anything is touched."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Changes:
    """Files to write, by path, and files to delete; what is in both is deleted."""

    write: dict[str, bytes]
    delete: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        """Whether anything changes."""
        return bool(self.write or self.delete)

    def __or__(self, other: "Changes") -> "Changes":
        """Both, one after the other."""
        # What the first deletes and the second writes again is there in the end.
        delete = (self.delete - other.write.keys()) | other.delete
        return Changes(applied(self.write, other), delete)


def applied(files: Mapping[str, bytes], changes: Changes) -> dict[str, bytes]:
    """The tree after the changes."""
    after = {**files, **changes.write}
    for path in changes.delete:
        after.pop(path, None)
    return after


def differing(files: Mapping[str, bytes], wanted: Mapping[str, bytes]) -> dict[str, bytes]:
    """What of the wanted files is not there, or says something else."""
    return {path: raw for path, raw in wanted.items() if files.get(path) != raw}


@dataclass(frozen=True)
class Step:
    """One commit."""

    changes: Changes
    subject: str
    reason: str

    @property
    def message(self) -> str:
        """Commit message: subject, blank line, reason."""
        return f"{self.subject}\n\n{self.reason}\n"
