"""`ml-pipeline demo`: the whole loop for real, in a temporary clone, with a timeline; nothing is left running."""

import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import sqrt
from pathlib import Path
from typing import Any

from ml_pipeline.adapters import processes
from ml_pipeline.adapters.git.code import digest_at
from ml_pipeline.adapters.git.plumbing import git
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.adapters.load import Load
from ml_pipeline.commands import console
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.environments.embedded.state import State, read_json

# The predictors share two cores with everything else here, so latency is allowed to vary more than in production.
PER_SECOND, MIN_REQUESTS, P99_INCREASE, EPOCHS = 120.0, 250, 20, 200
WAIT_SECONDS = 120.0
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


@dataclass
class Demo:
    """One run of the loop in a clone."""

    clone: Path
    start: float = field(default_factory=time.monotonic)
    timeline: list[tuple[float, str, str]] = field(default_factory=list)
    load: Load | None = None

    @property
    def state(self) -> State:
        """State of the clone's embedded environment."""
        return State(self.clone / ".ml-pipeline")

    @contextmanager
    def step(self, what: str) -> Iterator[list[str]]:
        """Time one step; what is appended to the list becomes its result in the timeline."""
        console.talk(f"{time.monotonic() - self.start:6.1f} s  {what} ...")
        begun, result = time.monotonic(), list[str]()
        yield result
        self.timeline.append((time.monotonic() - begun, what, "; ".join(result)))

    def pipeline(self, *arguments: str, show: bool = True) -> str:
        """A command of `ml-pipeline`, shown as a person would type it."""
        if show:
            console.talk(f"          $ ml-pipeline {' '.join(arguments)}")
        return (
            processes.run([sys.executable, "-m", "ml_pipeline.cli", *arguments], cwd=self.clone)
            .decode()
            .rstrip()
        )

    def git(self, *arguments: str) -> str:
        """A git command, shown as a person would type it."""
        console.talk(f"          $ git {' '.join(arguments)}")
        return git(self.clone, *arguments).decode().strip()

    def wait(self, what: str, probe: Callable[[], Any], seconds: float = WAIT_SECONDS) -> Any:
        """The first true answer of a probe.

        Raises:
            PipelineError: there is none in time; names the log to read.
        """
        end = time.monotonic() + seconds
        while not (found := probe()):
            if time.monotonic() > end:
                raise PipelineError(
                    f"waited {seconds:.0f} s for {what}; see {self.state.log('supervisor')} and `ml-pipeline status`"
                )
            time.sleep(0.05)
        return found

    def receipts(self, pattern: str) -> list[str]:
        """Receipts on the branch that match."""
        listed = git(
            self.state.origin, "ls-tree", "-r", "--name-only", "main", "experiments"
        ).decode()
        return [path for path in listed.splitlines() if re.search(pattern, path)]

    def serving(self) -> dict[str, Any]:
        """What serves the model digits."""
        return self.state.read("serving/digits") or {}

    def routed(self) -> dict[str, int]:
        """Weights that Envoy has, by run."""
        weights: dict[str, int] = self.serving().get("routed", {})
        return weights


def demo(repo: Path, *, keep: bool = False) -> int:
    """Run it; stop everything at the end, also after an error, unless `keep` says to leave it up."""
    folder = Path(tempfile.mkdtemp(prefix="ml-pipeline-demo."))
    demonstration = Demo(folder / "team")
    finished = False
    try:
        _run(demonstration, repo)
        finished = True
        _summary(demonstration, keep=keep)
        return console.OK
    finally:
        if demonstration.load:
            demonstration.load.stop()
        if not (finished and keep):
            if demonstration.state.origin.exists():
                demonstration.pipeline("down", show=False)
            shutil.rmtree(folder, ignore_errors=True)


def _run(demo: Demo, repo: Path) -> None:
    with demo.step("clone the repository, begin without experiments"):
        _clone(demo, repo)
    with demo.step("start the embedded environment: MLflow, Envoy, reconcile") as result:
        result.append(re.sub(r"\s+", " ", demo.pipeline("up").splitlines()[0]))
    with demo.step("submit two experiments, merged") as result:
        for name, setting in (
            ("digits-mlp", "parameters.epochs=30"),
            ("digits-cnn", f"parameters.epochs={EPOCHS}"),
        ):
            result.append(demo.pipeline("submit", f"../{name}.yaml", "--merge", "--set", setting))
    with demo.step("prepare the data, once for both") as result:
        result.append(demo.wait("the data receipt", lambda: demo.receipts("/data/"))[0])
    with demo.step("train both; kill one half-way") as result:
        result.append(_kill_half_way(demo))
        demo.wait("two run receipts", lambda: len(demo.receipts("/runs/")) == 2)
        result += demo.receipts("/runs/")
    first, second = _references(demo, "digits-mlp"), _references(demo, "digits-cnn")
    with demo.step("promote the first run") as result:
        demo.pipeline("promote", first)
        demo.wait("the first model", lambda: demo.serving().get("state") == "Available")
        demo.load = Load(demo.serving()["url"], (1, 8, 8), PER_SECOND)
        demo.load.start()
        result.append(f"{first} serves 100 %; {PER_SECOND:.0f} requests a second from here on")
    _rollout(demo, first, second)
    with demo.step("git revert of the second promotion") as result:
        result.append(_revert(demo, first))
    demo.load.stop()


def _clone(demo: Demo, repo: Path) -> None:
    git(demo.clone.parent, "clone", "--quiet", str(repo.resolve()), str(demo.clone))
    for key, value in (
        ("user.name", "Demo"),
        ("user.email", "demo@example.com"),
        ("commit.gpgsign", "false"),
    ):
        git(demo.clone, "config", key, value)
    for name, model, hidden in (("digits-mlp", "mlp", 64), ("digits-cnn", "cnn", 16)):
        draft = demo.clone.parent / f"{name}.yaml"
        draft.write_text(_EXPERIMENT.format(name=name, model=model, hidden=hidden))
    serving = digest_at(Repository(demo.clone), "HEAD", "serving")
    # What is committed, promoted or broken there stays there: only code and base/ are taken over, without their history,
    # which a shallow clone does not have.
    git(demo.clone, "checkout", "--quiet", "--orphan", "demo")
    for root in ("experiments", "environments"):
        git(demo.clone, "rm", "-rqf", "--ignore-unmatch", root)
    facts = demo.clone / "environments/local/environment.yaml"
    facts.parent.mkdir(parents=True)
    facts.write_text(_ENVIRONMENT.format(serving=serving))
    demo.pipeline("render")
    git(demo.clone, "add", "--all")
    git(demo.clone, "commit", "--quiet", "--message", "Begin without experiments")


def _kill_half_way(demo: Demo) -> str:
    """SIGKILL to the longer training once half of its epochs are done, as when a node is lost."""

    def half_way() -> tuple[Path, int] | None:
        for log in demo.state.root.glob("pods/digits-cnn-*/log"):
            epochs = re.findall(rf"epoch (\d+)/{EPOCHS} ", log.read_text(errors="replace"))
            if epochs and int(epochs[-1]) >= EPOCHS // 2:
                return log.parent, int(epochs[-1])
        return None

    pod, epoch = demo.wait("half of the training", half_way)
    os.kill(read_json(pod / "status.json")["pid"], signal.SIGKILL)
    console.talk(f"          killed {pod.name} after epoch {epoch} of {EPOCHS}")
    job, _, number = pod.name.rpartition("-")
    following = pod.with_name(f"{job}-{int(number) + 1}") / "log"
    resumed = demo.wait(
        "the resumed training",
        lambda: following.exists() and re.search(r"resuming at epoch (\d+)", following.read_text()),
    )
    return f"killed after epoch {epoch}, resumed at epoch {resumed[1]} of {EPOCHS}"


def _references(demo: Demo, experiment: str) -> str:
    path = demo.receipts(f"{experiment}/runs/")[0]
    return f"{experiment}/{Path(path).stem}"


def _rollout(demo: Demo, first: str, second: str) -> None:
    with demo.step("promote the second run: a canary at 10 %") as result:
        demo.pipeline(
            "promote",
            second,
            "--steps",
            "10,50,100",
            "--min-requests",
            str(MIN_REQUESTS),
            "--max-p99-increase",
            str(P99_INCREASE),
        )
        demo.wait("the canary", lambda: demo.routed() == {first: 90, second: 10})
        result.append(_split(demo, second, 10, until=lambda: demo.routed().get(second, 0) > 10))
    with demo.step("steps that reconcile commits: 50 %, then 100 %") as result:
        result.append(_split(demo, second, 50, until=lambda: demo.routed() == {second: 100}))
        demo.wait(
            "the end of the old server",
            lambda: not any(demo.state.root.glob(f"pods/{_server(first)}-*")),
        )


def _split(demo: Demo, run: str, percent: int, until: Callable[[], bool]) -> str:
    """The measured share of the canary while this step lasts, against the declared one."""
    assert demo.load is not None
    demo.wait(f"{percent} %", lambda: demo.routed().get(run) == percent)
    before = demo.load.by_predictor.copy()
    during = before
    while not until():
        during = demo.load.by_predictor.copy()
        time.sleep(0.05)
    answered = during - before
    total, canary = answered.total(), answered[_server(run)]
    error = sqrt(percent * (100 - percent) / max(total, 1))
    return f"declared {percent} %, measured {100 * canary / max(total, 1):.1f} % of {total} requests (standard error {error:.1f})"


def _server(reference: str) -> str:
    """Name of a run's predictor."""
    return f"digits-run-{reference.rpartition('/')[2]}"


def _revert(demo: Demo, first: str) -> str:
    demo.git("pull", "--quiet", "--ff-only", "local", "main")
    promotion = demo.git(
        "log", "-1", "--format=%h", "--", "environments/local/promotions/digits.yaml"
    )
    demo.git("revert", "--no-edit", promotion)
    demo.git("push", "--quiet", "local", "HEAD:main")
    pushed = time.monotonic()
    demo.wait("the old version", lambda: demo.routed() == {first: 100})
    time.sleep(2)
    return f"{first} serves 100 % again {time.monotonic() - pushed - 2:.1f} s after the push, its server started anew"


def _summary(demo: Demo, *, keep: bool) -> None:
    assert demo.load is not None
    for command in (
        ("why", "digits"),
        ("compare", "digits-mlp", "digits-cnn"),
        ("history", "digits"),
    ):
        console.result(
            f"$ ml-pipeline {' '.join(command)}\n{demo.pipeline(*command, show=False)}\n"
        )
    rows = [(f"{seconds:6.1f} s", what, result) for seconds, what, result in demo.timeline]
    console.result(console.table([("   TOOK", "STEP", "RESULT"), *rows]))
    failed = len(demo.load.failed)
    console.result(
        f"{time.monotonic() - demo.start:6.1f} s  in all; {failed} of {demo.load.sent} requests failed from the first promotion to the end"
    )
    if demo.load.failed:
        raise PipelineError(
            f"{failed} requests failed, the first with {demo.load.failed[0]}; this must not happen, please report it"
        )
    if keep:
        console.result(f"up in {demo.clone}; stop it with `ml-pipeline down --repo {demo.clone}`")
        console.result(demo.pipeline("up", show=False))
    console.result(
        demo.pipeline("status", show=False)
        if keep
        else "nothing is left running; `make demo KEEP=1` leaves it up to look around"
    )
