"""How far a change reaches: which answers about a tree it can have changed, so that a review looks at those alone.

An answer follows from some files and from nothing else. Where none of them differs from the base, it is the base's answer, which
`validate`, `render --check` and `policy` give: they always look at everything. A test holds both reviews against each other.

| answer | follows from |
|---|---|
| a document's faults | the document; of an experiment also its environment; of a promotion all of environments/ and all receipts |
| an overlay in training/ | the experiments that ask for the same, their environment, all receipts, base/ |
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
from ml_pipeline.layout import is_automations, job_folder


@dataclass(frozen=True)
class Reach:
    """The paths that a change touches, and whether answers about all the others may have changed with them."""

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
            asked |= {path for path in snapshot.files if "/rollouts/" in path}
        return sorted(asked)

    @property
    def jobs(self) -> frozenset[str]:
        """Short identities of what the overlays make that are touched themselves."""
        folders = (job_folder(path.rpartition("/")[0]) for path in self.changed)
        return frozenset(folder.short for folder in folders if folder)


def reach_of(changed: Iterable[str], *, code: bool) -> Reach:
    """How far a change of some paths reaches; `code` says that the package itself, which gives the answers, changes too."""
    paths = frozenset(changed)
    return Reach(paths, everything=code or any(map(_is_far, paths)))


def _is_far(path: str) -> bool:
    """Whether anything may follow from a file: base/, the facts of an environment, a receipt."""
    if path.startswith("base/") or kind_of(path) in (Environment, DataVersion, Run):
        return True
    return path.startswith("experiments/") and is_automations(path)


def _beside_training(path: str) -> bool:
    parts = path.split("/", 3)
    return parts[0] == "environments" and parts[2:3] != ["training"]
