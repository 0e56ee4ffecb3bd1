"""The embedded environment as operations see it."""

from collections.abc import Iterator

from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.environments.embedded import records
from ml_pipeline.environments.embedded.logs import EmbeddedLogs
from ml_pipeline.environments.embedded.observe import Observer, tracking_uri
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.environments.embedded.status import look
from ml_pipeline.environments.interface import Experiments
from ml_pipeline.environments.records import EmbeddedShown, Held, LocalGit, MlflowAddress
from ml_pipeline.rules.automation.branch import Branch
from ml_pipeline.rules.automation.observed import Observed
from ml_pipeline.rules.diagnosis.logs import LogQuery


class EmbeddedRuntime:
    """Reads its state folder, its pods' logs and its MLflow."""

    def __init__(self, state: State, environment: str) -> None:
        self.state, self.environment = state, environment
        self._observer = Observer(state, environment)

    @property
    def git(self) -> LocalGit:
        """The git server of this machine."""
        return LocalGit(self.state.origin, self.state.automation)

    def observe(self, _: Snapshot, awaited: set[str]) -> Observed:
        """What has finished, failed and serves: all of it is in the state folder and MLflow."""
        return self._observer.look(awaited)

    def look(self, branch: Branch, selector: str) -> EmbeddedShown:
        """Its Jobs and models whose labels match `key=value,key=value`."""
        return look(self.state, branch, self.environment, selector)

    def logs(self, asked: LogQuery, experiments: Experiments, *, follow: bool) -> Iterator[str]:
        """What a run, an experiment, a Job, a model or a service has printed."""
        return EmbeddedLogs(self.state, asked, experiments).read(follow=follow)

    def mlflow(self, _: Environment) -> MlflowAddress:
        """Its MLflow listens on this machine alone, and nobody logs in to it."""
        return MlflowAddress(tracking_uri(self.state))

    def holds(self) -> tuple[Held, ...]:
        """What its reconciler holds."""
        return records.holds(self.state)

    def keep_holds(self, held: tuple[Held, ...]) -> None:
        """Leave it where `status` finds it."""
        records.save_holds(self.state, held)
