"""What overlays share: where they stand, what they build on, and how a Job gets its name."""

from collections.abc import Iterable
from typing import Any

import yaml

from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.faults import Fault, InvalidDocumentsError
from ml_pipeline.documents.nodes import RefusedYamlError, load_plain
from ml_pipeline.documents.snapshot import Files
from ml_pipeline.documents.source import Special
from ml_pipeline.documents.writer import to_marked_yaml, to_yaml
from ml_pipeline.layout import SHORT, is_base
from ml_pipeline.rules.identity.hashes import digest_of

GPU_RESOURCE = {"gpu-shared": "nvidia.com/gpu.shared", "gpu-mig": "nvidia.com/mig-1g.10gb"}
LABEL_EXPERIMENT, LABEL_RUN, LABEL_DATA = (
    "ml-pipeline/experiment",
    "ml-pipeline/run",
    "ml-pipeline/data",
)
# What MLflow's client logs in with.
LOGIN = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
_UP = "../../../../"
# The workers' Service has the Job's name; only the overlay knows it, after prefix and suffix.
_WORKERS_FIND_THEIR_JOB = {
    "source": {"kind": "Job", "fieldPath": "metadata.name"},
    "targets": [
        {"select": {"kind": "Job"}, "fieldPaths": ["spec.template.spec.subdomain"]},
        {
            "select": {"kind": "Service"},
            "fieldPaths": ["spec.selector.batch\\.kubernetes\\.io/job-name"],
        },
    ],
}


class Bases:
    """The parsed content of folders below base/, each read once.

    Raises:
        InvalidDocumentsError: from every method, for a file that is not YAML, too large, or no
            plain file.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self._paths = sorted(
            path for path in files if is_base(path) and path.endswith((".yaml", ".yml"))
        )
        self._content: dict[str, list[Any]] = {}

    def content(self, folder: str) -> list[Any]:
        """Parsed YAML of a folder in the order of names: comments and layout do not count."""
        if folder not in self._content:
            paths = [path for path in self._paths if path.startswith(folder + "/")]
            self._content[folder] = [self._parsed(path) for path in paths]
        return self._content[folder]

    def _parsed(self, path: str) -> Any:
        raw = self._files[path]
        if isinstance(raw, Special):
            raise InvalidDocumentsError([raw.fault(path)])
        try:
            return load_plain(raw)
        except RefusedYamlError as error:
            raise InvalidDocumentsError([error.fault(path)]) from error
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            text = (
                f"cannot be read: {str(error).splitlines()[0]}; correct it, or restore it from git"
            )
            raise InvalidDocumentsError(
                [Fault(path, mark.line + 1 if mark else 1, "", text)]
            ) from error


def overlay(
    bases: Bases, stem: str, kustomization: dict[str, Any], patch: dict[str, Any]
) -> dict[str, bytes]:
    """The two files of a Job's overlay, in a folder whose path begins with `stem`.

    The Job's name ends with a hash of everything the Pod template is built from, so that another
    template is another Job and an immutable field never changes under a name. So does the folder's,
    for the same reason: an overlay comes and goes and never changes, so no revert finds one that
    somebody has changed since.
    """
    folders = [*kustomization["resources"], *kustomization.get("components", ())]
    parts = [bases.content(path.removeprefix(_UP)) for path in folders]
    suffix = digest_of({"base": parts, "patch": patch, "namespace": kustomization["namespace"]})[
        :SHORT
    ]
    body = {
        **kustomization_file(**kustomization),
        "nameSuffix": f"-{suffix}",
        "patches": [{"path": "job.yaml"}],
    }
    return {
        f"{stem}-{suffix}/kustomization.yaml": to_marked_yaml(body, suffix),
        f"{stem}-{suffix}/job.yaml": to_marked_yaml(patch, suffix),
    }


def kustomization_file(**body: Any) -> dict[str, Any]:
    """A kustomization with these fields."""
    return {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", **body}


def in_namespace(namespace: str, resources: list[str], **body: Any) -> dict[str, Any]:
    """A kustomization whose objects live in one namespace; a Namespace among them has its name."""
    return kustomization_file(namespace=namespace, resources=resources, **body)


def operation(path: str, value: Any, *, op: str = "replace") -> dict[str, Any]:
    """One operation of a JSON patch."""
    return {"op": op, "path": path, "value": value}


def patch(target: dict[str, str], *operations: dict[str, Any]) -> dict[str, Any]:
    """A JSON patch inside a kustomization, for the objects that the target selects."""
    return {"target": target, "patch": to_yaml(list(operations)).decode()}


def kustomization(environment: Environment, base: str, components: Iterable[str]) -> dict[str, Any]:
    """Namespace, base and components of an overlay in this environment."""
    names = [*components, *(["artifacts-volume"] if environment.artifacts.claim else [])]
    body: dict[str, Any] = {
        "namespace": environment.namespaces.training,
        "resources": [f"{_UP}base/{base}"],
    }
    if names:
        body["components"] = [f"{_UP}base/components/{name}" for name in names]
    if "distributed" in names:
        body["replacements"] = [_WORKERS_FIND_THEIR_JOB]
    return body


def environment_variables(environment: Environment, extra: dict[str, str]) -> list[dict[str, Any]]:
    """What a pod is told by its surroundings; none of it decides the result of a run."""
    values = {
        "MLFLOW_TRACKING_URI": environment.tracking.uri,
        "ARTIFACTS_URI": environment.artifacts.uri,
        **extra,
    }
    variables: list[dict[str, Any]] = [
        {"name": name, "value": value} for name, value in values.items()
    ]
    return variables + login(environment)


def login(environment: Environment) -> list[dict[str, Any]]:
    """What MLflow asks of a pod, from the Secret of its namespace; nothing without a login."""
    secret = environment.tracking.secret
    if secret is None:
        return []
    return [_from_secret(secret, key) for key in LOGIN]


def _from_secret(secret: str, key: str) -> dict[str, Any]:
    """One key of a Secret, which need not have all: a login is a name and password, or a token."""
    reference = {"name": secret, "key": key, "optional": True}
    return {"name": key, "valueFrom": {"secretKeyRef": reference}}


def resources(
    cpu: str, memory: str, gpus: int = 0, options: Iterable[str] = ()
) -> dict[str, dict[str, str]]:
    """Requests equal to limits, so that a pod is never evicted for what it asked."""
    wanted = {"cpu": cpu, "memory": memory}
    if gpus:
        wanted[next((GPU_RESOURCE[o] for o in options if o in GPU_RESOURCE), "nvidia.com/gpu")] = (
            str(gpus)
        )
    return {"requests": dict(wanted), "limits": dict(wanted)}
