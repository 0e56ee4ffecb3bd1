"""Files by their path, of git's objects and, where git has none, of the disk."""

from collections.abc import Iterator, Mapping

from ml_pipeline.adapters.files import read_plain
from ml_pipeline.adapters.git.revisions import Revisions, blob_id
from ml_pipeline.documents.snapshot import Files

UNKNOWN = "0"  # the id of what lies on the disk, and nobody has added or committed yet


class Objects(Mapping[str, bytes]):
    """Each file is read when it is asked for. `kept` are contents that are known.

    An object is read from the disk where the file there hashes to its id, which takes a tenth of
    the time; at the first that does not, or without `disk` at once, all come from git.
    """

    def __init__(
        self,
        revisions: Revisions,
        blobs: Mapping[str, str],
        kept: Files | None = None,
        *,
        disk: bool = True,
    ) -> None:
        self._disk = disk
        self._revisions, self._blobs = revisions, dict(sorted(blobs.items()))
        self._kept = dict(kept or {})

    def __getitem__(self, path: str) -> bytes:
        """The file's bytes."""
        if path in self._kept:
            return self._kept[path]
        blob = self._blobs[path]
        if blob == UNKNOWN:
            return read_plain(self._place(path))
        raw = self._on_disk(path) if self._disk else None
        # The disk may have changed since it was compared: only the id says that it has not.
        if raw is None or blob_id(raw, blob) != blob:
            self._read_all()
            raw = self._kept[path]
        return raw

    def __iter__(self) -> Iterator[str]:
        """The paths in their order; reads nothing."""
        return iter(self._blobs)

    def __len__(self) -> int:
        """How many there are; reads nothing."""
        return len(self._blobs)

    def __contains__(self, path: object) -> bool:
        """Whether it is there; reads nothing."""
        return path in self._blobs

    def _place(self, path: str) -> str:
        return f"{self._revisions.path}/{path}"

    def _on_disk(self, path: str) -> bytes | None:
        try:
            return read_plain(self._place(path))
        except OSError:
            return None

    def _read_all(self) -> None:
        known = {path: blob for path, blob in self._blobs.items() if blob != UNKNOWN}
        self._kept = self._revisions.contents_of(known) | self._kept
