"""The whole loop for real, in a temporary clone, with a timeline; nothing is left running."""

import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import sqrt
from pathlib import Path
from typing import NamedTuple, TypeVar

from ml_pipeline.adapters import processes
from ml_pipeline.adapters.git.code import digest_at
from ml_pipeline.adapters.git.plumbing import git
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.adapters.load import Load
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.environments.embedded import records
from ml_pipeline.environments.embedded.state import State, read_json
from ml_pipeline.layout import (
    ENVIRONMENTS,
    EXPERIMENTS,
    STATE,
    Receipt,
    data_of,
    environment_path,
    promotion_path,
    run_of,
)
from ml_pipeline.operations import Talk, silent
from ml_pipeline.rules.rollout.evidence import ServingStatus

PER_SECOND, MIN_REQUESTS = 120.0, 250  # a canary at 10 % has answered enough in 20 s
EPOCHS = 200  # long enough to be killed half-way, also on a fast machine
# The predictors share two cores with everything else here, so latency is allowed to vary more than
# in production.
P99_INCREASE = 20
WAIT_SECONDS = 120.0
MODEL, FIRST, SECOND = "digits", "digits-mlp", "digits-cnn"
_ENVIRONMENT = """\
apiVersion: ml-pipeline/v1
kind: Environment
name: local
runtime: embedded
namespaces: {{platform: local-platform, training: local-training, serving: local-serving}}
images:
  trainer: {{repository: trainer}}
  serving: {{repository: serving, digest: "{serving}"}}
tracking: {{uri: http://mlflow.local-platform.svc:5000}}
artifacts: {{uri: file:///artifacts, claim: artifacts}}
pools:
- {{name: laptop, nodes: 1, cpu: 2, memory: 6Gi, price_per_hour: 0.08}}
budget: {{monthly: 100, currency: USD}}
"""
_EXPERIMENT = """\
apiVersion: ml-pipeline/v1
kind: Experiment
name: {name}
owner: vision
environment: local
model: {{name: digits, type: {model}}}
dataset: {{uri: bundled://digits}}
parameters: {{epochs: 30, batch_size: 64, learning_rate: 0.002, hidden: {hidden}}}
seed: 7
resources: {{cpu: 1, memory: 2Gi}}
gates: {{min_accuracy: 0.9, max_latency_p99_ms: 50, max_memory_mb: 1500}}
budget: {{max_duration: 15m, max_cost: 0.05}}
"""


_Probed = TypeVar("_Probed")


class Step(NamedTuple):
    """One step of the loop, and how long it took."""

    seconds: float
    what: str
    result: str


@dataclass(frozen=True)
class Answer:
    """A command, and what it printed."""

    command: str
    text: str


@dataclass(frozen=True)
class Demonstration:
    """What the loop has shown: its steps, what commands say at its end, and how callers fared.

    `failures` are requests that were not answered. `addresses` and `status` are those of what is
    left up, empty where nothing is.
    """

    clone: Path
    timeline: tuple[Step, ...]
    answers: tuple[Answer, ...]
    seconds: float
    sent: int
    failures: tuple[str, ...]
    addresses: str = ""
    status: str = ""


@dataclass
class Demo:
    """One run of the loop in a clone."""

    clone: Path
    talk: Talk = silent
    start: float = field(default_factory=time.monotonic)
    timeline: list[Step] = field(default_factory=list)
    load: Load | None = None

    @property
    def state(self) -> State:
        """State of the clone's embedded environment."""
        return State(self.clone / STATE)

    @contextmanager
    def step(self, what: str) -> Iterator[list[str]]:
        """Time one step; what is appended to the list becomes its result in the timeline."""
        self.talk(f"{time.monotonic() - self.start:6.1f} s  {what} ...")
        begun, result = time.monotonic(), list[str]()
        yield result
        self.timeline.append(Step(time.monotonic() - begun, what, "; ".join(result)))

    def pipeline(self, *arguments: str, show: bool = True) -> str:
        """A command of `ml-pipeline`, shown as a person would type it."""
        if show:
            self.talk(f"          $ ml-pipeline {' '.join(arguments)}")
        command = [sys.executable, "-m", "ml_pipeline.cli", *arguments]
        return processes.run(command, cwd=self.clone).decode().rstrip()

    def git(self, *arguments: str) -> str:
        """A git command, shown as a person would type it."""
        self.talk(f"          $ git {' '.join(arguments)}")
        return self.quiet_git(*arguments)

    def quiet_git(self, *arguments: str) -> str:
        """A git command that is none of the story."""
        return git(self.clone, *arguments).decode().strip()

    def wait(
        self, what: str, probe: Callable[[], _Probed | None], seconds: float = WAIT_SECONDS
    ) -> _Probed:
        """The first true answer of a probe.

        Raises:
            PipelineError: there is none in time; names the log to read.
        """
        end = time.monotonic() + seconds
        while not (answer := probe()):
            if time.monotonic() > end:
                raise PipelineError(
                    f"waited {seconds:.0f} s for {what}; "
                    f"see {self.state.log('supervisor')} and `ml-pipeline status`"
                )
            time.sleep(0.05)
        return answer

    def receipts(self, receipt_of: Callable[[str], Receipt | None]) -> list[str]:
        """Paths of all receipts of a kind on the branch."""
        command = ("ls-tree", "-r", "--name-only", "main", EXPERIMENTS)
        listed = git(self.state.origin, *command).decode()
        return [path for path in listed.splitlines() if receipt_of(path)]

    def run_of(self, experiment: str) -> str:
        """The only run of an experiment, as promotions name it."""
        runs = (run_of(path) for path in self.receipts(run_of))
        run = next(run for run in runs if run and run.experiment == experiment)
        return run.reference

    def serving(self) -> ServingStatus:
        """What serves the model; nothing is said of it while nothing does."""
        return records.serving(self.state, MODEL) or ServingStatus("")

    def routed(self) -> Mapping[str, int]:
        """Weights that Envoy has, by run."""
        return self.serving().routed


def demo(repo: Path, *, keep: bool = False, talk: Talk = silent) -> Demonstration:
    """Run it; stop everything at the end, also after an error, unless `keep` leaves it up.

    Raises:
        PipelineError: a step has not come to its end.
    """
    folder = Path(tempfile.mkdtemp(prefix="ml-pipeline-demo."))
    demonstration = Demo(folder / "team", talk)
    is_whole = False
    try:
        _run(demonstration, repo)
        is_whole = True
        return _summary(demonstration, keep=keep)
    finally:
        if demonstration.load:
            demonstration.load.stop()
        if not (is_whole and keep):
            # Without a git server nothing was started, and `down` would refuse.
            if demonstration.state.origin.exists():
                demonstration.pipeline("down", show=False)
            shutil.rmtree(folder, ignore_errors=True)


def _run(demo: Demo, repo: Path) -> None:
    with demo.step("clone the repository, begin without experiments"):
        _clone(demo, repo)
    with demo.step("start the embedded environment: MLflow, Envoy, reconcile") as result:
        result.append(re.sub(r"\s+", " ", demo.pipeline("up").splitlines()[0]))
    with demo.step("submit two experiments, merged") as result:
        for name, epochs in ((FIRST, 30), (SECOND, EPOCHS)):
            setting = f"parameters.epochs={epochs}"
            result.append(demo.pipeline("submit", f"../{name}.yaml", "--merge", "--set", setting))
    with demo.step("prepare the data, once for both") as result:
        result.append(demo.wait("the data receipt", lambda: demo.receipts(data_of))[0])
    with demo.step("train both; kill one half-way") as result:
        result.append(_kill_half_way(demo))
        demo.wait("two run receipts", lambda: len(demo.receipts(run_of)) == 2)
        result += demo.receipts(run_of)
    first, second = demo.run_of(FIRST), demo.run_of(SECOND)
    with demo.step("promote the first run") as result:
        demo.pipeline("promote", first)
        demo.wait("the first model", lambda: demo.serving().state == "Available")
        # From here on no request may fail, whatever is promoted, advanced or reverted.
        demo.load = Load(demo.serving().url, (1, 8, 8), PER_SECOND)
        demo.load.start()
        result.append(f"{first} serves 100 %; {PER_SECOND:.0f} requests a second from here on")
    _rollout(demo, first, second)
    with demo.step("git revert of the second promotion") as result:
        result.append(_revert(demo, first))
    demo.load.stop()


def _clone(demo: Demo, repo: Path) -> None:
    """A clone with the code of a repository and two experiments beside it."""
    git(demo.clone.parent, "clone", "--quiet", str(repo.resolve()), str(demo.clone))
    demo.quiet_git("config", "user.name", "Demo")
    demo.quiet_git("config", "user.email", "demo@example.com")
    demo.quiet_git("config", "commit.gpgsign", "false")
    for name, model, hidden in ((FIRST, "mlp", 64), (SECOND, "cnn", 16)):
        draft = demo.clone.parent / f"{name}.yaml"
        draft.write_text(_EXPERIMENT.format(name=name, model=model, hidden=hidden))
    # As long as HEAD names a commit: the digest is that of code as it is committed.
    serving = digest_at(Repository(demo.clone), "HEAD", "serving")
    # What is committed, promoted or broken there stays there: only code and base/ are taken over,
    # without their history, which a shallow clone does not have.
    demo.quiet_git("checkout", "--quiet", "--orphan", "demo")
    for root in (EXPERIMENTS, ENVIRONMENTS):
        demo.quiet_git("rm", "-rqf", "--ignore-unmatch", root)
    facts = demo.clone / environment_path("local")
    facts.parent.mkdir(parents=True)
    facts.write_text(_ENVIRONMENT.format(serving=serving))
    demo.pipeline("render")
    demo.quiet_git("add", "--all")
    demo.quiet_git("commit", "--quiet", "--message", "Begin without experiments")


def _kill_half_way(demo: Demo) -> str:
    """SIGKILL to the longer training once half of its epochs are done, as when a node is lost."""

    def half_way() -> tuple[Path, int] | None:
        for log in demo.state.root.glob(f"pods/{SECOND}-*/log"):
            epochs = re.findall(rf"epoch (\d+)/{EPOCHS} ", log.read_text(errors="replace"))
            if epochs and int(epochs[-1]) >= EPOCHS // 2:
                return log.parent, int(epochs[-1])
        return None

    pod, epoch = demo.wait("half of the training", half_way)
    # No time to save anything: it goes on from its last checkpoint, or this shows that it cannot.
    processes.send([read_json(pod / "status.json")["pid"]], signal.SIGKILL)
    demo.talk(f"          killed {pod.name} after epoch {epoch} of {EPOCHS}")
    job, _, number = pod.name.rpartition("-")
    following = pod.with_name(f"{job}-{int(number) + 1}") / "log"

    def resumed() -> re.Match[str] | None:
        text = following.read_text() if following.exists() else ""
        return re.search(r"resuming at epoch (\d+)", text)

    at = demo.wait("the resumed training", resumed)[1]
    return f"killed after epoch {epoch}, resumed at epoch {at} of {EPOCHS}"


def _rollout(demo: Demo, first: str, second: str) -> None:
    with demo.step("promote the second run: a canary at 10 %") as result:
        growth = ("--steps", "10,50,100", "--min-requests", str(MIN_REQUESTS))
        demo.pipeline("promote", second, *growth, "--max-p99-increase", str(P99_INCREASE))
        demo.wait("the canary", lambda: demo.routed() == {first: 90, second: 10})
        result.append(_split(demo, second, 10, until=lambda: demo.routed().get(second, 0) > 10))
    with demo.step("steps that reconcile commits: 50 %, then 100 %") as result:
        result.append(_split(demo, second, 50, until=lambda: demo.routed() == {second: 100}))
        servers = f"pods/{_server(first)}-*"
        demo.wait("the end of the old server", lambda: not any(demo.state.root.glob(servers)))


def _split(demo: Demo, run: str, percent: int, until: Callable[[], bool]) -> str:
    """The measured share of the canary while this step lasts, against the declared one."""
    assert demo.load is not None
    demo.wait(f"{percent} %", lambda: demo.routed().get(run) == percent)
    before = demo.load.by_predictor.copy()
    during = before
    # What was counted when the step was last seen: what comes after belongs to the next one.
    while not until():
        during = demo.load.by_predictor.copy()
        time.sleep(0.05)
    answered = during - before
    total, canary = answered.total(), answered[_server(run)]
    error = sqrt(percent * (100 - percent) / max(total, 1))
    return (
        f"declared {percent} %, measured {100 * canary / max(total, 1):.1f} % "
        f"of {total} requests (standard error {error:.1f})"
    )


def _server(reference: str) -> str:
    """Name of a run's predictor."""
    return f"{MODEL}-run-{reference.rpartition('/')[2]}"


def _revert(demo: Demo, first: str) -> str:
    demo.git("pull", "--quiet", "--ff-only", "local", "main")
    path = promotion_path("local", MODEL)
    promotion = demo.git("log", "-1", "--format=%h", "--", path)
    demo.git("revert", "--no-edit", promotion)
    demo.git("push", "--quiet", "local", "HEAD:main")
    pushed = time.monotonic()
    demo.wait("the old version", lambda: demo.routed() == {first: 100})
    # Requests go on a little: one that is lost only now would be lost by the revert.
    time.sleep(2)
    seconds = time.monotonic() - pushed - 2
    return f"{first} serves 100 % again {seconds:.1f} s after the push, its server started anew"


def _summary(demo: Demo, *, keep: bool) -> Demonstration:
    assert demo.load is not None
    commands = (f"why {MODEL}", f"compare {FIRST} {SECOND}", f"history {MODEL}")
    answers = [Answer(line, demo.pipeline(*line.split(), show=False)) for line in commands]
    seconds = time.monotonic() - demo.start
    failures = tuple(demo.load.failed)
    addresses = status = ""
    if keep and not failures:
        addresses = demo.pipeline("up", show=False)
        status = demo.pipeline("status", show=False)
    return Demonstration(
        clone=demo.clone,
        timeline=tuple(demo.timeline),
        answers=tuple(answers),
        seconds=seconds,
        sent=demo.load.sent,
        failures=failures,
        addresses=addresses,
        status=status,
    )
