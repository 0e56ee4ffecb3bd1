"""A cluster as operations see it, read with the rights of whoever asks."""

from collections.abc import Callable, Iterator

from ml_pipeline.adapters.kubernetes import Cluster
from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.environments.interface import Experiments
from ml_pipeline.environments.kubernetes.logs import JobLogs
from ml_pipeline.environments.kubernetes.observe import Observer, login, tracking_uri
from ml_pipeline.environments.kubernetes.status import look
from ml_pipeline.environments.records import ClusterShown, Held, MlflowAddress, Traffic
from ml_pipeline.rules.automation.branch import Branch
from ml_pipeline.rules.automation.observed import Observed
from ml_pipeline.rules.diagnosis.logs import LogQuery


class KubernetesRuntime:
    """Reads an API server and an MLflow.

    `traffic` tells what was measured of each model; `facts` are those of the checkout, asked for
    only where a name has to be looked up before the branch is read.
    """

    git = None

    def __init__(
        self,
        cluster: Cluster,
        environment: str,
        traffic: Callable[[], Traffic],
        facts: Callable[[], Environment],
    ) -> None:
        self.cluster, self.environment = cluster, environment
        self._traffic, self._facts = traffic, facts
        self._observer = Observer(cluster, environment, traffic)

    def observe(self, snapshot: Snapshot, awaited: set[str]) -> Observed:
        """What has finished, failed and serves."""
        return self._observer.look(snapshot, awaited)

    def look(self, branch: Branch, selector: str) -> ClusterShown:
        """Its Jobs and models whose labels match, as the API server takes selectors."""
        return look(self._observer, branch, selector, self._traffic())

    def logs(self, asked: LogQuery, experiments: Experiments, *, follow: bool) -> Iterator[str]:
        """What the pods of a run, an experiment or a Job have printed, while they are there."""
        job_logs = JobLogs(self.cluster, self._facts().namespaces.training, asked)
        for piece in job_logs.read(follow=follow, awaits=lambda: experiments.awaits(asked.name)):
            yield piece.decode(errors="replace")

    def mlflow(self, facts: Environment) -> MlflowAddress:
        """Its MLflow, by what its facts and this process's environment variables say."""
        return MlflowAddress(tracking_uri(facts), login(facts))

    def holds(self) -> None:
        """None: its reconciler runs in a pod and has its own readers there."""

    def keep_holds(self, held: tuple[Held, ...]) -> None:
        """Nobody looks for it on this machine."""
