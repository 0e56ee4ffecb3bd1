"""How far a change reaches: which answers about a tree a review has to look at.

An answer follows from some files and from nothing else. Where none of them differs from the base,
it is the base's answer, which `validate`, `render --check` and `policy` give: they always look at
everything. A test holds both reviews against each other.

| answer | follows from |
|---|---|
| a document's faults | the document; of an experiment also its environment; |
| | of a promotion all of environments/ and all receipts |
| an overlay in training/ | experiments that ask for the same, their environment, receipts, base/ |
| an overlay in serving/ | promotions, receipts, environments, base/ |
| what policies say of a build | the files that it is made of, its environment, base/ |
"""

from collections.abc import Iterable
from dataclasses import dataclass

from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.promotion import Promotion
from ml_pipeline.documents.reader import kind_of
from ml_pipeline.documents.receipts import DataVersion, Run
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import (
    ENVIRONMENTS,
    EXPERIMENTS,
    folder_of,
    is_automations,
    is_base,
    job_folder,
    part_of,
    root_of,
)


@dataclass(frozen=True)
class Reach:
    """The paths that a change touches, and whether answers about all others may have changed."""

    changed: frozenset[str]
    everything: bool

    @property
    def serving(self) -> bool:
        """Whether answers about promotions and what serves them may have changed."""
        return self.everything or any(map(_beside_training, self.changed))

    def documents(self, snapshot: Snapshot) -> list[str] | None:
        """The files of a snapshot whose faults may have changed; None for all of them."""
        if self.everything:
            return None
        asked = self.changed & set(snapshot.files)
        if self.serving:
            asked |= set(snapshot.paths.get(Promotion, ()))
            asked |= {path for path in snapshot.files if part_of(path) == "rollouts"}
        return sorted(asked)

    @property
    def jobs(self) -> frozenset[str]:
        """Short identities of what the overlays make that are touched themselves."""
        folders = filter(None, map(job_folder, map(folder_of, self.changed)))
        return frozenset(folder.short for folder in folders)


def reach_of(changed: Iterable[str], *, code: bool) -> Reach:
    """How far a change of some paths reaches.

    `code` says that the package itself, which gives the answers, changes too.
    """
    paths = frozenset(changed)
    return Reach(paths, everything=code or any(map(_is_far, paths)))


def _is_far(path: str) -> bool:
    """Whether anything may follow from a file: base/, the facts of an environment, a receipt."""
    if is_base(path) or kind_of(path) in (Environment, DataVersion, Run):
        return True
    return root_of(path) == EXPERIMENTS and is_automations(path)


def _beside_training(path: str) -> bool:
    return root_of(path) == ENVIRONMENTS and part_of(path) != "training"
