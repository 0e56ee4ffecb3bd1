"""From what a promotion's file has held to the promotion before: where `rollback` goes back to, and what it commits.

Contents alone decide, not the messages of commits, so that a revert from a web page, a squash or a merge counts for
what it did.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ml_pipeline.documents.changes import Changes, applied
from ml_pipeline.documents.faults import InvalidDocumentsError
from ml_pipeline.documents.promotion import Promotion
from ml_pipeline.documents.reader import read
from ml_pipeline.documents.snapshot import Files, Snapshot
from ml_pipeline.layout import promotion_path
from ml_pipeline.rules.identity.hashes import rollout_id
from ml_pipeline.rules.render.serving import serving_overlay


@dataclass(frozen=True)
class Promoted:
    """What the branch said of a model from a commit on. `content` is None where it said nothing, and `promotion` is
    None also where that cannot be read."""

    sha: str
    subject: str
    content: bytes | None
    promotion: Promotion | None
    name: str

    @property
    def run(self) -> str | None:
        """The run that it names, if it names one."""
        return self.promotion.run if self.promotion else None


NOTHING = Promoted("", "", None, None, "")


def promoted(environment: str, path: str, sha: str, subject: str, body: bytes | None) -> Promoted:
    """One content of a promotion's file, named by its rollout; by its commit where it cannot be read."""
    document = None if body is None else read(path, body)
    if not isinstance(document, tuple):
        return Promoted(sha, subject, body, None, sha if body is not None else "")
    promotion = document[0]
    assert isinstance(promotion, Promotion)
    return Promoted(sha, subject, body, promotion, rollout_id(environment, promotion))


def standing(history: Iterable[Promoted]) -> list[Promoted]:
    """The promotions that stand on each other, the newest last; the first says nothing.

    What was said before is a return to it, whoever did it and how: what came since then stands no more. What says the
    same rollout with other conditions or resources takes the place of the one before.
    """
    stack = [NOTHING]
    for said in history:
        names = [earlier.name for earlier in stack]
        if said.name in names:
            del stack[names.index(said.name) :]
        stack.append(said)
    return stack


def before(stack: Sequence[Promoted]) -> Promoted | None:
    """The promotion to go back to: the newest below the top that names another run, or says nothing; None where nothing
    is promoted. Another try of the same run is no way back from it."""
    top = stack[-1]
    if top.content is None:
        return None
    for earlier in reversed(stack[:-1]):
        if earlier.content is None or (earlier.promotion and earlier.run != top.run):
            return earlier
    return None


def back_to(files: Files, environment: str, model: str, target: Promoted, then: Files) -> Changes:
    """The promotion's file and what is rendered from it as they are to be.

    Only what this promotion needs is read, so that no other document can stand in the way; where one that it does need
    cannot be read, the files are those that were rendered `then`.
    """
    path = promotion_path(environment, model)
    folder = f"environments/{environment}/serving/{model}/"
    wanted: dict[str, bytes] = {}
    if target.content is not None:
        wanted[path] = target.content
        try:
            after = Snapshot(applied(dict(files), Changes(dict(wanted))))
            wanted |= serving_overlay(after, environment, model)
        except (InvalidDocumentsError, KeyError):
            wanted |= {p: raw for p, raw in then.items() if p.startswith(folder)}
    gone = {p for p in files if (p == path or p.startswith(folder)) and p not in wanted}
    changed = {p: raw for p, raw in wanted.items() if files.get(p) != raw}
    return Changes(changed, frozenset(gone))
