"""Commits as `git fast-import` reads them: a stream of bytes, and no working tree.

https://git-scm.com/docs/git-fast-import
"""

import os
from collections.abc import Iterable, Sequence

from ml_pipeline.documents.changes import Changes

# What a commit changes, and its message.
Draft = tuple[Changes, str]


def import_stream(
    branch: str, parent: str, drafts: Sequence[Draft], signatures: Iterable[str]
) -> bytes:
    """Commits on top of `parent`, each on the one before, made on `branch`, which is gone after it.

    git prints the id of the last one. `signatures` are the lines of author and committer.
    """
    # Without `done` at its end a stream that was cut off would be taken for a whole one.
    stream = [b"feature done\n"]
    signed = "".join(f"{signature}\n" for signature in signatures).encode()
    for number, (changes, message) in enumerate(drafts, 1):
        stream += [f"commit {branch}\nmark :{number}\n".encode(), signed, _data(message.encode())]
        if number == 1:
            stream.append(f"from {parent}\n".encode())
        # Removals first: one of `a`, after `a/b` was written, would take `a/b` away too.
        for path in sorted(changes.delete):
            stream.append(b"D " + _quoted(path) + b"\n")
        for path, raw in changes.write.items():
            stream += [b"M 100644 inline " + _quoted(path) + b"\n", _data(raw)]
    # A branch that is reset to no commit is removed.
    nothing = "0" * 40
    stream.append(f"get-mark :{len(drafts)}\nreset {branch}\nfrom {nothing}\n\ndone\n".encode())
    return b"".join(stream)


def _data(raw: bytes) -> bytes:
    return b"data %d\n%b\n" % (len(raw), raw)


def _quoted(path: str) -> bytes:
    """A path as fast-import reads it, whatever characters it has."""
    raw = os.fsencode(path)
    for plain, quoted in ((b"\\", b"\\\\"), (b'"', b'\\"'), (b"\n", b"\\n")):
        raw = raw.replace(plain, quoted)
    return b'"' + raw + b'"'
