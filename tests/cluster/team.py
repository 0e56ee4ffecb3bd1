"""A team with a repository and an environment of its own on the test cluster, driven through git and the command line alone."""

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.documents.snapshot import Snapshot, load_snapshot
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.rules.render.flux import hook_path

from tests.cluster.providers import Provider
from tests.conftest import REPOSITORY, git
from tests.support.environment import finished_runs

WAIT_SECONDS = 120.0
UNUSED = "registry.example.com/ml/trainer@sha256:" + "0" * 64


def free_port(address: str = "127.0.0.1") -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


@dataclass
class Services:
    """What a cluster's platform offers beside it, here as processes of this machine: git, MLflow, a folder as artifact store."""

    provider: Provider
    folder: Path
    git_port: int = 0
    mlflow_port: int = 0

    def start(self) -> list[subprocess.Popen]:
        self.git_port, self.mlflow_port = (
            free_port(self.provider.address),
            free_port(self.provider.address),
        )
        (self.folder / "git").mkdir()
        self.artifacts.mkdir(parents=True)
        self.artifacts.chmod(0o777)
        server = [
            sys.executable,
            str(Path(__file__).with_name("git_server.py")),
            str(self.folder / "git"),
            self.provider.address,
        ]
        mlflow = [
            str(Path(sys.executable).with_name("mlflow")),
            "server",
            "--host",
            self.provider.address,
            "--port",
            str(self.mlflow_port),
        ]
        mlflow += ["--workers", "1", "--allowed-hosts", "*", "--serve-artifacts"]
        mlflow += ["--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db"]
        mlflow += ["--artifacts-destination", (self.artifacts / "mlflow").as_uri()]
        environ = {
            **os.environ,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "HOME": str(self.folder),
        }
        with (self.folder / "mlflow.log").open("ab") as log:
            started = [
                subprocess.Popen([*server, str(self.git_port)], start_new_session=True),
                subprocess.Popen(
                    mlflow, env=environ, stdout=log, stderr=log, start_new_session=True
                ),
            ]
        wait("MLflow", lambda: answers(f"{self.mlflow}/health"))
        return started

    @property
    def artifacts(self) -> Path:
        return self.folder / "volumes" / "artifacts"

    @property
    def mlflow(self) -> str:
        return f"http://{self.provider.address}:{self.mlflow_port}"


@dataclass
class Team:
    """One environment `name` with its clone. `image` is the pinned trainer."""

    provider: Provider
    services: Services
    folder: Path
    name: str
    image: str
    token: str = ""

    @property
    def clone(self) -> Path:
        return self.folder / "clone"

    def pipeline(self, *arguments: str, code: int | None = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "ml_pipeline.cli", *arguments],
            cwd=self.clone,
            capture_output=True,
            text=True,
        )
        assert code is None or done.returncode == code, (
            f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return (done.stdout + done.stderr).strip()

    def on_cluster(self, command: str, *arguments: str, code: int | None = 0) -> str:
        """A command with this environment and the administrator's kubeconfig."""
        return self.pipeline(
            command,
            *arguments,
            "--env",
            self.name,
            f"--kubeconfig={self.provider.kubeconfig}",
            code=code,
        )

    def begin(self) -> None:
        """Make repository and environment, and connect the cluster."""
        bare = self.services.folder / "git" / f"{self.name}.git"
        git(self.folder, "init", "--quiet", "--bare", "--initial-branch=main", str(bare))
        git(bare, "config", "http.receivepack", "true")
        git(self.folder, "init", "--quiet", "--initial-branch=main", str(self.clone))
        for part in ("base", "trainer", "serving", "requirements.lock"):
            copy = shutil.copytree if (REPOSITORY / part).is_dir() else shutil.copy
            copy(REPOSITORY / part, self.clone / part)
        path = self.clone / f"environments/{self.name}/environment.yaml"
        path.parent.mkdir(parents=True)
        git(self.clone, "remote", "add", "origin", self.url)
        git(self.clone, "add", "--all")
        git(self.clone, "commit", "--quiet", "--message", "Begin")
        path.write_text(self.facts(self.pipeline("image", "serving").split()[0]))
        self.pipeline("render")
        self.commit("Add the environment")
        self.on_cluster("bootstrap", "--apply")
        self.volumes()
        secret = json.loads(
            self.kubectl("get", "secret", "receiver-token", "-o", "json", part="platform")
        )
        self.token = subprocess.run(
            ["base64", "-d"], input=secret["data"]["token"], capture_output=True, text=True
        ).stdout

    def end(self) -> None:
        """Take the environment out of the cluster: Flux prunes what it has applied, then the namespaces go."""
        self.kubectl(
            "delete",
            "kustomizations.kustomize.toolkit.fluxcd.io",
            "--all",
            "--timeout=60s",
            part="platform",
        )
        namespaces = [f"{self.name}-{part}" for part in ("platform", "training", "serving")]
        self.provider.kubectl("delete", "namespaces", *namespaces, "--wait=false")
        selector = f"--selector=ml-pipeline/environment={self.name}"
        self.provider.kubectl("delete", "clusterroles,clusterrolebindings", selector)
        self.provider.kubectl(
            "delete",
            "persistentvolumes",
            f"{self.name}-checkpoints",
            f"{self.name}-artifacts",
            "--wait=false",
        )

    def facts(self, serving: str) -> str:
        repository, _, digest = self.image.partition("@")
        return f"""apiVersion: ml-pipeline/v1
kind: Environment
name: {self.name}
namespaces: {{platform: {self.name}-platform, training: {self.name}-training, serving: {self.name}-serving}}
source: {{url: "{self.url}"}}
images:
  trainer: {{repository: {repository}, digest: "{digest}"}}
  serving: {{repository: serving, digest: "{serving}"}}
tracking: {{uri: "{self.services.mlflow}"}}
artifacts: {{uri: file:///artifacts, claim: artifacts}}
pools:
- {{name: node, nodes: 1, cpu: 64, memory: 256Gi, price_per_hour: 0.08}}
budget: {{monthly: 20, currency: USD}}
"""

    def volumes(self) -> None:
        """The claims that a storage administrator provides, here folders of this machine."""
        checkpoints = self.folder / "checkpoints"
        checkpoints.mkdir()
        checkpoints.chmod(0o777)
        self.provider.kubectl(
            "apply",
            "-f",
            "-",
            stdin="---\n".join(
                f"""apiVersion: v1
kind: PersistentVolume
metadata: {{name: {self.name}-{claim}}}
spec:
  capacity: {{storage: 100Gi}}
  accessModes: [ReadWriteMany]
  storageClassName: ""
  claimRef: {{namespace: {self.name}-training, name: {claim}}}
  hostPath: {{path: {path}}}
"""
                for claim, path in (
                    ("checkpoints", checkpoints),
                    ("artifacts", self.services.artifacts),
                )
            ),
        )
        self.provider.kubectl(
            "apply",
            "-f",
            "-",
            stdin=f"""apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: artifacts, namespace: {self.name}-training}}
spec:
  accessModes: [ReadWriteMany]
  storageClassName: ""
  resources: {{requests: {{storage: 100Gi}}}}
""",
        )

    @property
    def url(self) -> str:
        return f"http://{self.provider.address}:{self.services.git_port}/{self.name}.git"

    # ---- git

    def commit(self, message: str) -> str:
        git(self.clone, "add", "--all")
        git(self.clone, "commit", "--quiet", "--allow-empty", "--message", message)
        self.push()
        return git(self.clone, "rev-parse", "HEAD")

    def pull(self) -> None:
        git(self.clone, "pull", "--quiet", "--rebase", "origin", "main")

    def push(self) -> None:
        git(self.clone, "push", "--quiet", "origin", "HEAD:main")
        self.hook()

    def push_again(self) -> None:
        """A commit that changes nothing, after which Flux makes what is missing."""
        self.pull()
        self.commit("Look again")

    def revert(self, grep: str) -> None:
        """Plain git: pull, revert the newest commit whose subject matches, push."""
        self.pull()
        git(
            self.clone,
            "revert",
            "--no-edit",
            git(self.clone, "log", "-1", "--format=%H", f"--grep={grep}"),
        )
        self.push()

    def remove(self, *names: str) -> None:
        """Take experiments out again; what they run is cancelled."""
        self.pull()
        git(
            self.clone,
            "rm",
            "--quiet",
            "-r",
            *(f"experiments/{name}/experiment.yaml" for name in names),
        )
        self.pipeline("render")
        self.commit(f"Remove {', '.join(names)[:50]}")

    def hook(self) -> None:
        """What a forge does after a push: tell Flux, signed."""
        if not self.token:
            return
        body = b"{}"
        signature = "sha256=" + hmac.new(self.token.encode(), body, hashlib.sha256).hexdigest()
        url = self.provider.receiver() + hook_path(self.token, f"{self.name}-platform")
        request = urllib.request.Request(url, body, {"X-Signature": signature})
        with contextlib.suppress(
            OSError
        ):  # a forge does not wait for Flux either; the interval catches up
            urllib.request.urlopen(request, timeout=5).close()

    def submit(self, name: str, *settings: str) -> str:
        draft = self.folder / f"{name}.yaml"
        draft.write_text(EXPERIMENT.format(name=name, environment=self.name))
        said = self.pipeline(
            "submit", str(draft), "--merge", *(part for s in settings for part in ("--set", s))
        )
        self.hook()
        return said

    def head(self) -> Snapshot:
        repository = Repository(self.clone)
        return load_snapshot(repository.read(repository.fetch()))

    def head_revision(self) -> str:
        return Repository(self.clone).fetch()

    def trained(self) -> list[str]:
        """Identities of all finished MLflow runs, from the real server; one trained twice stands there twice."""
        return finished_runs(self.services.mlflow)

    def run_of(self, name: str):
        """The receipt of an experiment's run, None while there is none."""
        return next((run for run in self.head().runs.values() if run.experiment == name), None)

    # ---- cluster

    def kubectl(self, *arguments: str, part: str = "training") -> str:
        return self.provider.kubectl("-n", f"{self.name}-{part}", *arguments)

    def objects(self, kind: str, part: str = "training") -> list[dict[str, Any]]:
        return json.loads(self.kubectl("get", kind, "-o", "json", part=part))["items"]

    def jobs(self) -> dict[str, dict[str, Any]]:
        return {job["metadata"]["name"]: job for job in self.objects("jobs")}

    def ready(self, part: str, revision: str = "") -> bool:
        """Whether a Kustomization is Ready, at a revision if one is named."""
        thing = json.loads(
            self.kubectl(
                "get",
                "kustomizations.kustomize.toolkit.fluxcd.io",
                part,
                "-o",
                "json",
                part="platform",
            )
        )
        conditions = {c["type"]: c["status"] for c in thing.get("status", {}).get("conditions", ())}
        return conditions.get("Ready") == "True" and revision in thing["status"].get(
            "lastAppliedRevision", ""
        )

    def applied(self, part: str) -> str:
        thing = json.loads(
            self.kubectl(
                "get",
                "kustomizations.kustomize.toolkit.fluxcd.io",
                part,
                "-o",
                "json",
                part="platform",
            )
        )
        return thing.get("status", {}).get("lastAppliedRevision", "").rpartition(":")[2]

    def is_idle(self) -> bool:
        """Whether Flux has applied what is on the branch and no Job is left of it; that there is none yet would say nothing."""
        return self.applied("training") == self.head_revision() and not self.jobs()

    def account(self, name: str) -> Path:
        """A kubeconfig with the rights of a ServiceAccount of the platform namespace."""
        path = self.folder / f"kubeconfig-{name}"
        if not path.exists():
            whole = yaml.safe_load(self.provider.kubeconfig.read_text())
            token = self.kubectl("create", "token", name, "--duration=8h", part="platform").strip()
            whole["users"][0]["user"] = {"token": token}
            path.write_text(yaml.safe_dump(whole))
        return path

    def reconcile(self, *arguments: str, code: int | None = 0) -> str:
        """One pass of automation, with the rights that it has in the cluster and no others."""
        reach = f"--kubeconfig={self.account('reconcile')}"
        said = self.pipeline(
            "reconcile", "--once", "--env", self.name, reach, *arguments, code=code
        )
        self.hook()
        return said

    # ---- serving

    @property
    def bridge_state(self) -> State:
        return State(self.services.folder / f"bridge-{self.name}")

    @contextlib.contextmanager
    def bridge(self):
        """The models of this environment on this machine, as long as the block lasts."""
        self.bridge_state.root.mkdir()
        (self.bridge_state.root / "volumes").symlink_to(self.services.folder / "volumes")
        command = [
            sys.executable,
            "-m",
            "ml_pipeline.cli",
            "bridge",
            "--env",
            self.name,
            "--state",
            str(self.bridge_state.root),
        ]
        with (self.folder / "bridge.log").open("ab") as log:
            process = subprocess.Popen(
                [*command, f"--kubeconfig={self.provider.kubeconfig}"],
                cwd=self.clone,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield
        finally:
            process.terminate()
            process.wait()

    def serving(self) -> dict[str, Any]:
        return self.bridge_state.read("serving/digits") or {}

    def declared(self) -> dict[str, int]:
        """Weights in the API server, by predictor."""
        found = self.objects("seldondeployments.machinelearning.seldon.io", "serving")
        return {p["name"]: p["traffic"] for thing in found for p in thing["spec"]["predictors"]}

    def promote(self, name: str, *options: str) -> str:
        said = self.pipeline("promote", name, "--env", self.name, *options)
        self.hook()
        return said

    def wait(self, what: str, probe, seconds: float = WAIT_SECONDS):
        return wait(what, probe, seconds, self.report)

    def report(self) -> str:
        """What a person would look at."""
        parts = [
            self.provider.kubectl(
                "get", "events", "-n", f"{self.name}-training", "--sort-by=.lastTimestamp"
            )[-3000:]
        ]
        parts.append(
            self.kubectl(
                "get", "kustomizations.kustomize.toolkit.fluxcd.io,gitrepositories", part="platform"
            )
        )
        parts.append(self.kubectl("get", "jobs,pods"))
        return "\n".join(parts)


EXPERIMENT = """apiVersion: ml-pipeline/v1
kind: Experiment
name: {name}
owner: vision
environment: {environment}
model: {{name: digits, type: mlp}}
dataset: {{uri: bundled://digits}}
parameters: {{epochs: 5, learning_rate: 0.002}}
resources: {{cpu: 1, memory: 1Gi}}
"""


def wait(what: str, probe, seconds: float = WAIT_SECONDS, report=lambda: ""):
    end = time.monotonic() + seconds
    while not (found := probe()):
        assert time.monotonic() < end, f"waited {seconds} s for {what}\n{report()}"
        time.sleep(0.1)
    return found


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def new_team(
    services: Services, folder: Path, image: str = UNUSED, kind: type[Team] = Team
) -> Team:
    team = kind(services.provider, services, folder, f"t{secrets.token_hex(3)}", image)
    team.begin()
    return team
