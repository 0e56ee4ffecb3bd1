"""Files to write and to delete, computed whole before anything is touched."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Changes:
    """Files to write, by path, and files to delete: computed whole before anything is touched."""

    write: dict[str, bytes]
    delete: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        """Whether anything changes."""
        return bool(self.write or self.delete)

    def __or__(self, other: "Changes") -> "Changes":
        """Both, one after the other."""
        kept = self.delete - other.write.keys()
        return Changes(
            {p: raw for p, raw in (self.write | other.write).items() if p not in other.delete},
            kept | other.delete,
        )


def applied(files: dict[str, bytes], changes: Changes) -> dict[str, bytes]:
    """The tree after the changes."""
    return {
        path: raw for path, raw in {**files, **changes.write}.items() if path not in changes.delete
    }


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
