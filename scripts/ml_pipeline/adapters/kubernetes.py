"""The Kubernetes API, asked as whoever the kubeconfig says; and apply, for `bootstrap`.

https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.36/
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ml_pipeline.adapters import processes
from ml_pipeline.adapters.kustomize import kubectl
from ml_pipeline.documents.faults import PipelineError, UnavailableError
from ml_pipeline.rules.kustomize.objects import Object

TIMEOUT_SECONDS = 10
# How the client library gives an answer: read from JSON, or as it comes. A container may say
# nothing for hours, so its log has no timeout.
_JSON: Mapping[str, object] = {
    "response_types_map": {200: "object"},
    "_preload_content": True,
    "_request_timeout": TIMEOUT_SECONDS,
}
_STREAM: Mapping[str, object] = {
    "response_types_map": {200: None},
    "_preload_content": False,
    "_request_timeout": None,
}
# Where a pod finds who it is; nowhere else is there such a file.
_POD_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


@dataclass(frozen=True)
class Kind:
    """One kind of object: where the API serves it."""

    path: str
    plural: str

    def within(self, namespace: str) -> str:
        """Path of all of them in a namespace."""
        return f"{self.path}/namespaces/{namespace}/{self.plural}"


JOBS = Kind("/apis/batch/v1", "jobs")
PODS = Kind("/api/v1", "pods")
EVENTS = Kind("/api/v1", "events")
SELDON_DEPLOYMENTS = Kind("/apis/machinelearning.seldon.io/v1", "seldondeployments")
KUSTOMIZATIONS = Kind("/apis/kustomize.toolkit.fluxcd.io/v1", "kustomizations")
GIT_REPOSITORIES = Kind("/apis/source.toolkit.fluxcd.io/v1", "gitrepositories")


class DeniedError(PipelineError):
    """The API server knows who asks, and refuses."""


class NotServedError(PipelineError):
    """The API server does not know the kind: its CRD is not installed."""


class Cluster:
    """An API server, reached with a kubeconfig and one of its contexts."""

    def __init__(self, kubeconfig: Path | None = None, context: str | None = None) -> None:
        self.kubeconfig, self.context = kubeconfig, context

    def objects(self, kind: Kind, namespace: str, selector: str = "") -> list[Object]:
        """Those of a kind in a namespace, those whose labels match.

        Raises:
            DeniedError: the role does not allow it.
            NotServedError: the CRD is missing.
            UnavailableError: the API server does not answer, or the credentials have expired.
        """
        query = [("labelSelector", selector)] if selector else []
        return list(self._call(kind.within(namespace), query).get("items", ()))

    def log(self, namespace: str, pod: str, *, follow: bool = False) -> Iterator[bytes]:
        """The log of a pod in pieces; with `follow`, as it is written, until the pod ends."""
        query = [("follow", "true")] if follow else []
        path = f"{PODS.within(namespace)}/{pod}/log"
        yield from self._call(path, query, form=_STREAM).stream(decode_content=False)

    def patch_status(self, kind: Kind, namespace: str, name: str, status: Object) -> None:
        """Merge into an object's status, as its operator does."""
        self._merge(f"{kind.within(namespace)}/{name}/status", {"status": status})

    def annotate(self, kind: Kind, namespace: str, name: str, annotations: dict[str, str]) -> None:
        """Merge annotations into an object's."""
        path = f"{kind.within(namespace)}/{name}"
        self._merge(path, {"metadata": {"annotations": annotations}})

    def delete(self, kind: Kind, namespace: str, name: str) -> None:
        """Delete an object; what its finalizers wait for may take a while after this."""
        self._call(f"{kind.within(namespace)}/{name}", method="DELETE")

    def apply(self, stream: bytes) -> str:
        """Server-side apply of a YAML stream with `kubectl`; what it did, a line an object.

        Raises:
            ProgramError: an object was refused.
        """
        apply = ("apply", "--server-side", "--field-manager=ml-pipeline", "-f", "-")
        command = [kubectl(), *self._flags(), *apply]
        return processes.run(command, stdin=stream).decode().strip()

    def get(self, path: str) -> Object:
        """The object at an API path.

        Raises:
            NotServedError: there is none.
        """
        answer: Object = self._call(path)
        return answer

    def exists(self, path: str) -> bool:
        """Whether there is an object at an API path."""
        try:
            self.get(path)
        except NotServedError:
            return False
        return True

    def _flags(self) -> list[str]:
        chosen = {"--kubeconfig": self.kubeconfig, "--context": self.context}
        return [f"{name}={value}" for name, value in chosen.items() if value]

    @cached_property
    def _api(self) -> Any:
        from kubernetes import config  # 0.25 s; commands that need no cluster do not pay for it

        try:
            file = str(self.kubeconfig) if self.kubeconfig else None
            if file is None and _POD_TOKEN.exists():
                config.load_incluster_config()
                from kubernetes.client import ApiClient

                return ApiClient()
            return config.new_client_from_config(file, context=self.context)
        except config.ConfigException as error:
            raise PipelineError(
                f"no cluster to talk to: {str(error).splitlines()[0]}; "
                "set KUBECONFIG, or name a file with --kubeconfig"
            ) from error

    def _merge(self, path: str, patch: Object) -> None:
        self._call(path, method="PATCH", body=patch)

    def _call(
        self,
        path: str,
        query: Sequence[tuple[str, str]] = (),
        *,
        method: str = "GET",
        body: Object | None = None,
        form: Mapping[str, object] = _JSON,
    ) -> Any:
        """What the client library, which is not typed, makes of an answer."""
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        headers = {"Accept": "application/json"}
        if body:
            headers["Content-Type"] = "application/merge-patch+json"
        try:
            return self._api.call_api(
                path,
                method,
                query_params=list(query),
                header_params=headers,
                body=body,
                auth_settings=["BearerToken"],
                _return_http_data_only=True,
                **form,
            )
        except ApiException as error:
            raise _refused(path, error) from error
        except HTTPError as error:
            where = self._api.configuration.host
            raise UnavailableError(
                f"the API server at {where} does not answer; "
                "check the network, or the address in the kubeconfig"
            ) from error


ANY = Cluster()  # whatever KUBECONFIG, or the pod that this runs in, says


def _refused(path: str, error: Any) -> PipelineError:
    try:
        said = str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        said = str(error.reason)
    if error.status == 401:
        return UnavailableError(
            "the API server does not accept the credentials (expired, or revoked); "
            "renew the kubeconfig"
        )
    if error.status == 403:
        return DeniedError(f"{said.removesuffix('.')}; ask for the group ml-pipeline-readers")
    if error.status == 404:
        return NotServedError(
            f"{path} is not there: {said}; install what serves it, or correct the name"
        )
    return UnavailableError(f"the API server answers {path} with {error.status}: {said}; try again")
