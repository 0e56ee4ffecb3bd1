"""A revision of the branch as automation sees it, and what of it stays true after a change."""

from ml_pipeline.documents.changes import Changes
from ml_pipeline.documents.faults import Fault
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import environment_path, is_base
from ml_pipeline.rules.automation.drift import Drift, Renderer, training_drift
from ml_pipeline.rules.automation.holds import holds_of
from ml_pipeline.rules.automation.observed import Hold
from ml_pipeline.rules.automation.triage import Triage


class Branch:
    """The documents of one revision. What was found about a file is kept as long as nothing that it
    rests on changes."""

    def __init__(self, whole: Snapshot) -> None:
        self.whole = whole
        self.renderer = Renderer(whole.files)
        self._triage = Triage(whole)
        self._drifts: dict[str, Drift] = {}

    def after(self, changes: Changes) -> "Branch":
        """The branch once some files are written and some deleted."""
        touched = {*changes.write, *changes.delete}
        branch = Branch(self.whole.after(changes))
        branch._triage.keep(self._triage, touched)
        if not any(is_base(path) for path in touched):
            branch.renderer = self.renderer
        return branch

    @property
    def faults(self) -> dict[str, list[Fault]]:
        """The faults of each faulty file by its path."""
        return self._triage.faults

    @property
    def snapshot(self) -> Snapshot:
        """The documents that are acted on."""
        return self._triage.acted_on

    @property
    def pending(self) -> dict[str, str]:
        """What each experiment that is acted on waits for, by its name."""
        return self._triage.pending

    def experiments_awaiting(self, environment: str) -> dict[str, list[str]]:
        """The experiments of an environment that wait for each identity of data or a run."""
        return self._triage.experiments_awaiting(environment)

    def awaited(self, environment: str) -> set[str]:
        """Identities of data and runs that this environment has still to finish."""
        return set(self.experiments_awaiting(environment))

    def drift(self, environment: str) -> Drift:
        """What has to change so that this environment's training overlays follow from the documents
        that are acted on."""
        if environment not in self._drifts:
            self._drifts[environment] = training_drift(self._triage, self.renderer, environment)
        return self._drifts[environment]

    def holds(self, environment: str) -> tuple[Hold, ...]:
        """What is left alone on the branch, as far as it concerns an environment."""
        return holds_of(self._triage, environment)

    def held_by(self, path: str) -> str | None:
        """The faulty file because of which a document is left alone: itself, or one it needs."""
        return path if path in self.faults else self._triage.blocked.get(path)

    def is_held(self, environment: str) -> bool:
        """Whether the facts of an environment are faulty: then nothing at all is done in it."""
        return environment_path(environment) in self.faults
