"""What `status`, `logs`, `reconcile` and `registry` need of an environment, embedded or not."""

from collections.abc import Iterator
from typing import Protocol

from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.environments.records import Held, LocalGit, MlflowAddress, Shown
from ml_pipeline.rules.automation.branch import Branch
from ml_pipeline.rules.automation.observed import Observed
from ml_pipeline.rules.diagnosis.logs import LogQuery


class Experiments(Protocol):
    """What the branch says of experiments, to whoever looks for their logs."""

    def awaits(self, name: str, /) -> bool:
        """Whether an experiment of that name waits for its data or its run."""

    def training_on(self, data: set[str], /) -> set[str]:
        """Names of the experiments that train on some data, by short identities."""


class Runtime(Protocol):
    """What applies the manifests of one environment: nothing here changes anything that runs."""

    @property
    def git(self) -> LocalGit | None:
        """The git server of this machine that it follows; None where it follows another one."""

    def observe(self, snapshot: Snapshot, awaited: set[str], /) -> Observed:
        """For automation: what has finished, failed and serves. What cannot be read is held."""

    def look(self, branch: Branch, selector: str, /) -> Shown:
        """For people: its Jobs and models whose labels match, and what keeps them.

        Raises:
            PipelineError: it cannot be asked.
        """

    def logs(self, asked: LogQuery, experiments: Experiments, /, *, follow: bool) -> Iterator[str]:
        """What was printed under a name, all tries in turn; with `follow`, until that has ended.

        Raises:
            PipelineError: nothing of that name prints, or has printed.
        """

    def mlflow(self, facts: Environment, /) -> MlflowAddress:
        """Its MLflow, as this process reaches it.

        Raises:
            UnavailableError: it is not up.
        """

    def holds(self) -> tuple[Held, ...] | None:
        """What its reconciler has left to be read here; None where it leaves nothing here."""

    def keep_holds(self, held: tuple[Held, ...], /) -> None:
        """Leave that, where people look for it on this machine."""
