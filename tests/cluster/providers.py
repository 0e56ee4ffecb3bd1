"""A cluster with Flux to test on, from whatever is there: a cluster-bin folder, `kind`, or KUBECONFIG. One interface for all."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path

from ml_pipeline.adapters.procfs import is_alive

from tests.conftest import REPOSITORY

BUNDLE = Path(os.environ.get("CLUSTER_BIN", REPOSITORY.parent / "shared" / "cluster-bin"))
CRDS = Path(os.environ.get("CRDS", REPOSITORY.parent / "shared" / "crds"))
HOW = "set CLUSTER_BIN to a cluster-bin folder, install kind and flux, or set KUBECONFIG to a cluster with Flux and TEST_CLUSTER=existing"


def run(*command: str, **options) -> str:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, **options
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


class Provider(ABC):
    """A control plane that is there for the whole test run. `address` is this machine as its pods reach it."""

    name: str
    kubeconfig: Path
    address: str
    has_node = True

    @abstractmethod
    def image(self) -> str:
        """Build the trainer image of this working tree, load it, and return its pinned name; empty where that cannot be done."""

    def scripts_image(self) -> str:
        """As `image`, of scripts/Dockerfile."""
        return ""

    @abstractmethod
    def receiver(self) -> str:
        """Address of notification-controller's webhook server from here."""

    @abstractmethod
    def down(self) -> None:
        """Stop what was started for the tests."""

    def restart(self, component: str) -> None:
        """Kill a component of the control plane and start it again."""
        raise NotImplementedError(f"{self.name} cannot restart {component}")

    def keep(self) -> None:
        """Start again what has ended by itself, where no init system does."""
        return

    def logs(self) -> Path | None:
        """Folder with the logs of every component."""
        return None

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return run(
            REPOSITORY / ".venv/bin/kubectl",
            f"--kubeconfig={self.kubeconfig}",
            *arguments,
            input=stdin,
        )


class ClusterBin(Provider):
    """etcd, API server, controllers, Flux and a node as processes of this machine. CLUSTER_DIR names one that runs already."""

    name = "cluster-bin"

    def __init__(self, mode: str = "--with-node") -> None:
        self.mode, self.has_node = mode, mode == "--with-node"
        self.kept = self.has_node and bool(os.environ.get("CLUSTER_DIR"))
        self.dir = (
            Path(os.environ["CLUSTER_DIR"])
            if self.kept
            else Path(tempfile.mkdtemp(prefix="ml-", dir="/tmp"))
        )
        if not (self.kept and self.dir.exists()):
            self.call("up", mode)
        status = json.loads(self.call("status", "--json", check=False))
        self.kubeconfig, self.ports = Path(status["kubeconfig"]), status["ports"]
        self.address = status.get("address", "127.0.0.1")

    def call(self, *arguments: str, check: bool = True) -> str:
        command = [str(BUNDLE / "cluster"), *arguments, "--dir", str(self.dir)]
        environ = {key: value for key, value in os.environ.items() if key != "KUBECONFIG"}
        done = subprocess.run(command, capture_output=True, text=True, env=environ)
        assert not (check and done.returncode), done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def image(self) -> str:
        if not self.has_node:
            return ""
        tag = hashlib.sha256((REPOSITORY / "requirements.lock").read_bytes())
        for path in sorted((REPOSITORY / "trainer").glob("*.py")):
            tag.update(path.read_bytes())
        name = f"trainer:{tag.hexdigest()[:12]}"
        record = self.dir / "images" / f"{name.replace(':', '_')}.json"
        if not record.exists():
            options = [
                "--python",
                ".venv",
                "--copy",
                "trainer:/app/trainer",
                "--workdir",
                "/app",
                "--entrypoint",
                '["python","-m","trainer"]',
            ]
            command = [
                str(BUNDLE / "cluster"),
                "image",
                "build",
                name,
                *options,
                "--dir",
                str(self.dir),
            ]
            record.write_text(run(*command, cwd=REPOSITORY).splitlines()[0])
            for archive in record.parent.glob("trainer*.tar"):
                archive.unlink()
        return json.loads(record.read_text())["pinned"]

    def scripts_image(self) -> str:
        """As scripts/Dockerfile makes it: what the lock names for the checks, git and ssh, and the package."""
        venv, uv = self.dir / "scripts", REPOSITORY / ".venv/bin/uv"
        run(uv, "venv", "--quiet", "--allow-existing", "--python", "3.11", venv)
        wanted = ["--require-hashes", "--constraint", "requirements.lock", "--group", "checks"]
        wanted += ["--requirements", "pyproject.toml"]
        run(uv, "pip", "install", "--quiet", "--python", venv, *wanted, cwd=REPOSITORY)
        options = ["--python", venv, "--copy", "scripts/ml_pipeline:/app/ml_pipeline"]
        for tool in ("git", "ssh", "/usr/lib/git-core/git-remote-http"):
            options += ["--tool", tool]
        # The name by which git looks for the helper is a link beside it.
        options += [
            "--copy",
            "/usr/lib/git-core/git-remote-http:/usr/lib/git-core/git-remote-https",
        ]
        options += ["--workdir", "/app", "--entrypoint", '["python","-m","ml_pipeline.cli"]']
        command = [BUNDLE / "cluster", "image", "build", "scripts:test", *options]
        made = run(*command, "--dir", self.dir, cwd=REPOSITORY)
        return json.loads(made.splitlines()[0])["pinned"]

    def receiver(self) -> str:
        return f"http://127.0.0.1:{self.ports['receiver']}"

    def restart(self, component: str) -> None:
        os.kill(self.pid(component), signal.SIGKILL)
        self.call("restart", component)

    def keep(self) -> None:
        for path in (self.dir / "pids").glob("*.json"):
            if not is_alive(json.loads(path.read_text())["pid"]):
                self.call("restart", path.stem)

    def pid(self, component: str) -> int:
        return json.loads((self.dir / "pids" / f"{component}.json").read_text())["pid"]

    def logs(self) -> Path:
        return self.dir / "logs"

    def down(self) -> None:
        if not self.kept:
            self.call("down", "--purge")


class Kind(Provider):
    """A cluster of `kind` with Flux from `flux install`; needs a container engine. The image is built from trainer/Dockerfile."""

    name = "kind"
    cluster = "ml-pipeline-tests"

    def __init__(self) -> None:
        self.kubeconfig = Path(tempfile.mkdtemp(prefix="ml-kind-")) / "kubeconfig"
        run(
            "kind",
            "create",
            "cluster",
            "--name",
            self.cluster,
            "--kubeconfig",
            self.kubeconfig,
            "--wait",
            "120s",
        )
        run("flux", "install", f"--kubeconfig={self.kubeconfig}")
        networks = json.loads(run("docker", "network", "inspect", "kind"))
        self.address = next(
            c["Gateway"] for c in networks[0]["IPAM"]["Config"] if "." in c.get("Gateway", "")
        )
        self.forward = subprocess.Popen(
            [
                "kubectl",
                f"--kubeconfig={self.kubeconfig}",
                "-n",
                "flux-system",
                "port-forward",
                "svc/webhook-receiver",
                "9292:80",
            ]
        )

    def image(self) -> str:
        base = os.environ[
            "TRAINER_BASE_IMAGE"
        ]  # python:3.11-slim-bookworm@sha256:..., whoever runs the tests decides
        file = str(REPOSITORY / "trainer/Dockerfile")
        run(
            "docker",
            "build",
            "--file",
            file,
            "--build-arg",
            f"PYTHON={base}",
            "--tag",
            "ml/trainer:test",
            str(REPOSITORY),
        )
        run("kind", "load", "docker-image", "ml/trainer:test", "--name", self.cluster)
        listed = run(
            "docker", "exec", f"{self.cluster}-control-plane", "crictl", "images", "-o", "json"
        )
        image = next(
            i
            for i in json.loads(listed)["images"]
            if any("ml/trainer" in tag for tag in i["repoTags"])
        )
        return image["repoDigests"][0] if image["repoDigests"] else ""

    def receiver(self) -> str:
        return "http://127.0.0.1:9292"

    def down(self) -> None:
        self.forward.terminate()
        run("kind", "delete", "cluster", "--name", self.cluster)


class Existing(Provider):
    """A cluster that somebody else keeps, with Flux. TEST_ADDRESS is this machine as it sees it, TEST_IMAGE the pinned trainer."""

    name = "existing"

    def __init__(self) -> None:
        self.kubeconfig = Path(os.environ["KUBECONFIG"])
        self.address = os.environ["TEST_ADDRESS"]

    def image(self) -> str:
        return os.environ.get("TEST_IMAGE", "")

    def receiver(self) -> str:
        return os.environ["TEST_RECEIVER"]

    def down(self) -> None:
        return


def find() -> Provider | None:
    """The provider that TEST_CLUSTER names, else the first that can work here."""
    wanted = os.environ.get("TEST_CLUSTER", "")
    if wanted == "existing":
        return Existing()
    if wanted in ("", "cluster-bin") and (BUNDLE / "cluster").exists() and os.geteuid() == 0:
        return ClusterBin()
    if wanted in ("", "kind") and all(map(shutil.which, ("kind", "flux", "docker"))):
        return Kind()
    return None


def install_crds(provider: Provider) -> None:
    """The APIs that a platform team installs: Seldon and Kueue, of which only the CRDs are at hand."""
    for pattern in ("seldondeployments*", "*kueue*"):
        for path in sorted(CRDS.glob(f"{pattern}.yaml")):
            provider.kubectl("apply", "--server-side", "-f", str(path))
