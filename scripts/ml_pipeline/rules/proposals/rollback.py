"""Where `rollback` goes back to, and what it commits, from what a promotion's file has held.

Contents alone decide, not the messages of commits, so that a revert from a web page, a squash or a
merge counts for what it did.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ml_pipeline.documents.changes import Changes, applied, differing
from ml_pipeline.documents.faults import InvalidDocumentsError
from ml_pipeline.documents.promotion import Promotion
from ml_pipeline.documents.reader import read
from ml_pipeline.documents.snapshot import Files, Snapshot
from ml_pipeline.layout import promotion_path, serving_folder
from ml_pipeline.rules.identity.hashes import rollout_id
from ml_pipeline.rules.render.serving import serving_overlay


@dataclass(frozen=True)
class Promoted:
    """What the branch said of a model from a commit on.

    `content` is None where it said nothing, and `promotion` is None also where that cannot be read.
    """

    sha: str
    subject: str
    content: bytes | None
    promotion: Promotion | None
    name: str

    @property
    def run(self) -> str | None:
        """The run that it names, if it names one."""
        return self.promotion.run if self.promotion else None

    @property
    def title(self) -> str:
        """Its run and its commit, as a person is told of it."""
        return f"{self.run or 'a promotion that cannot be read'} ({self.sha[:10]}, {self.subject})"


NOTHING = Promoted("", "", None, None, "")


def promoted(environment: str, path: str, sha: str, subject: str, body: bytes | None) -> Promoted:
    """One content of a promotion's file, named by its rollout.

    What cannot be read is named by its commit, so that no two of it are the same.
    """
    if body is None:
        return Promoted(sha, subject, None, None, "")
    document = read(path, body)
    if not isinstance(document, tuple):
        return Promoted(sha, subject, body, None, sha)
    promotion = document[0]
    assert isinstance(promotion, Promotion)
    return Promoted(sha, subject, body, promotion, rollout_id(environment, promotion))


def standing(history: Iterable[Promoted]) -> list[Promoted]:
    """The promotions that stand on each other, the newest last; the first says nothing.

    What was said before is a return to it, whoever did it and how: what came since then stands no
    more. What says the same rollout with other conditions or resources takes the place of the one
    before.
    """
    stack = [NOTHING]  # what every branch has said before its first promotion
    for promotion in history:
        # Names, and not contents: conditions may change and the rollout is the same.
        names = [earlier.name for earlier in stack]
        if promotion.name in names:
            del stack[names.index(promotion.name) :]
        stack.append(promotion)
    return stack


def before(stack: Sequence[Promoted]) -> Promoted | None:
    """The promotion to go back to: the newest below the top that names another run, or nothing.

    None where nothing is promoted. Another try of the same run is no way back from it.
    """
    top = stack[-1]
    if top.content is None:
        return None
    for earlier in reversed(stack[:-1]):
        # One that cannot be read names no run, and so none that could serve again.
        if earlier.content is None or (earlier.promotion and earlier.run != top.run):
            return earlier
    return None


def back_to(files: Files, environment: str, model: str, target: Promoted, then: Files) -> Changes:
    """The promotion's file and what is rendered from it as they are to be.

    Only what this promotion needs is read, so that no other document can stand in the way; where
    one that it does need cannot be read, the files are those that were rendered `then`.
    """
    path = promotion_path(environment, model)
    folder = f"{serving_folder(environment, model)}/"
    wanted: dict[str, bytes] = {}
    if target.content is not None:
        wanted[path] = target.content
        try:
            after = Snapshot(applied(dict(files), Changes(dict(wanted))))
            wanted |= serving_overlay(after, environment, model)
        except (InvalidDocumentsError, KeyError):
            # Whatever else is broken at night, the way back must not wait for its repair.
            wanted |= {p: raw for p, raw in then.items() if p.startswith(folder)}
    mine = {p for p in files if p == path or p.startswith(folder)}
    return Changes(differing(files, wanted), frozenset(mine - wanted.keys()))
