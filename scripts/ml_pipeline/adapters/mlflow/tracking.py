"""MLflow's REST API, as far as reconciling reads it. The client library takes seconds to import; a few requests do not.

https://mlflow.org/docs/latest/api_reference/rest-api.html
"""

import base64
import http.client
import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ml_pipeline.documents.faults import UnavailableError
from ml_pipeline.documents.fields import one_line
from ml_pipeline.documents.results import MAX_BYTES, Finished, TerminationMessage
from ml_pipeline.rules.automation.observed import Hold
from ml_pipeline.rules.render.overlays import LOGIN

TIMEOUT_SECONDS = 10
RECEIPT = "receipt.json"
USERNAME, PASSWORD, TOKEN = LOGIN
_LARGEST_ANSWER = 16 * 2**20
# Runs that are asked for one by one; more are searched for, the second many in a query.
_ASKED_ALONE = 10
_IN_ONE_QUERY, _EXPERIMENTS = 200, 1000
_GIVEN_UP = 5  # results that cannot be fetched, before the others are left for the next look
_DENIED = (401, 403)
_ARTIFACTS = "mlflow-artifacts:/"  # what MLflow's own artifact proxy calls its root
_STORED = "mlflow"  # the folder of the artifact store that this is
_A = TypeVar("_A", bound="_Answer")


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class _Info(_Part):
    run_id: str
    experiment_id: str
    artifact_uri: str = ""
    lifecycle_stage: str = "active"


class _ModelOutput(_Part):
    model_id: str


class _Outputs(_Part):
    model_outputs: list[_ModelOutput] = []


class _Run(_Part):
    info: _Info
    outputs: _Outputs = _Outputs()

    @property
    def folders(self) -> tuple[str, ...]:
        """Where in the artifact store MLflow keeps what the run has logged: its own folder, and one for each model."""
        own = self.info.artifact_uri.removeprefix(_ARTIFACTS).lstrip("/")
        experiment = self.info.experiment_id
        models = (
            f"{_STORED}/{experiment}/models/{output.model_id}/artifacts"
            for output in self.outputs.model_outputs
        )
        return (f"{_STORED}/{own}", *models) if own else tuple(models)


class _Answer(_Part):
    model_config = ConfigDict(extra="allow", strict=True)

    error_code: str | None = None


class _OneRun(_Answer):
    run: _Run


class _Runs(_Answer):
    runs: list[_Run] = []


class _Experiment(_Part):
    experiment_id: str


class _Experiments(_Answer):
    experiments: list[_Experiment] = []
    next_page_token: str | None = None


class RefusedError(UnavailableError):
    """The server answers, and not this question."""


class DeniedError(UnavailableError):
    """The server does not let us in."""


@dataclass(frozen=True)
class Login:
    """Who asks MLflow, as its own client reads it from the environment; `source` says where a person finds it."""

    header: str = field(default="", repr=False)
    source: str = "name the Secret with it in tracking.secret of environment.yaml"

    @classmethod
    def of(cls, where: str, secret: str | None) -> "Login":
        """The login in this process's environment variables, for an environment file that names a Secret or none."""
        if secret is None:
            return cls(_header())
        return cls(_header(), f"it is in Secret {secret}, tracking.secret of {where}")


NOBODY = Login()


@dataclass(frozen=True)
class Look:
    """What MLflow has of what pods have said: results by identity, why it refuses others, and why it could not be asked."""

    results: dict[str, Finished]
    refused: dict[str, str] = field(default_factory=dict)
    held: tuple[Hold, ...] = ()


class Tracking:
    """An MLflow server at `http://host:port`, and the receipts of it that were what their pods have said."""

    def __init__(self, uri: str, login: Login | None = None) -> None:
        self.uri, self._login = uri, login or NOBODY
        self._receipts: dict[TerminationMessage, Finished] = {}

    def look(self, words: Mapping[str, TerminationMessage]) -> Look:
        """Results by identity, each from the MLflow run that a pod has named. Raises nothing: one that cannot be fetched
        does not hide the others, and a silent server ends the look."""
        said = set(words.values())
        self._receipts = {w: known for w, known in self._receipts.items() if w in said}
        results: dict[str, Finished] = {}
        refused: dict[str, str] = {}
        runs: dict[str, _Run] = {}
        new = [word.mlflow_run for word in words.values() if word not in self._receipts]
        if len(new) > _ASKED_ALONE:
            with suppress(UnavailableError):  # the first one that is asked for by itself says why
                runs = self._searched(new)
        for identity, word in words.items():
            try:
                results[identity] = self._finished(word, runs.get(word.mlflow_run))
            except RefusedError as error:
                refused[identity] = str(error)
                if len(refused) == _GIVEN_UP:
                    break
            except UnavailableError as error:
                return Look(results | self._known(words), refused, (Hold("MLflow", str(error)),))
        return Look(results, refused)

    def delete(self, run_id: str) -> None:
        """Have MLflow forget a run; it stays restorable there.

        Raises:
            UnavailableError: the server does not answer, or refuses.
        """
        self._post("runs/delete", {"run_id": run_id}, _Answer)

    def _known(self, words: Mapping[str, TerminationMessage]) -> dict[str, Finished]:
        """What looks before have read."""
        return {i: self._receipts[word] for i, word in words.items() if word in self._receipts}

    def _searched(self, run_ids: list[str]) -> dict[str, _Run]:
        """Many runs in few answers; one that is not among them is asked for by itself."""
        experiments: list[str] = []
        token: str | None = ""
        while token is not None:
            body = {"max_results": _EXPERIMENTS} | ({"page_token": token} if token else {})
            page = self._post("experiments/search", body, _Experiments)
            experiments += [experiment.experiment_id for experiment in page.experiments]
            token = page.next_page_token or None
        found: dict[str, _Run] = {}
        for first in range(0, len(run_ids), _IN_ONE_QUERY):
            names = ", ".join(f"'{run}'" for run in run_ids[first : first + _IN_ONE_QUERY])
            query = {"filter": f"attributes.run_id IN ({names})", "max_results": _IN_ONE_QUERY}
            for start in range(0, len(experiments), _EXPERIMENTS):
                part = {"experiment_ids": experiments[start : start + _EXPERIMENTS]}
                answer = self._post("runs/search", query | part, _Runs)
                found |= {run.info.run_id: run for run in answer.runs}
        return found

    def _finished(self, word: TerminationMessage, run: _Run | None = None) -> Finished:
        """What MLflow has of a run. It is asked once more as long as that is not what the pod has left."""
        if word in self._receipts:
            return self._receipts[word]
        run = run or self._run(word.mlflow_run)
        query = urllib.parse.urlencode({"path": RECEIPT, "run_uuid": word.mlflow_run})
        request = urllib.request.Request(f"{self.uri}/get-artifact?{query}")
        raw = self._answer(request, MAX_BYTES + 1, attachment=RECEIPT)
        found = Finished(word, raw, run.folders)
        if found.is_as_said:
            self._receipts[word] = found
        return found

    def _run(self, run_id: str) -> _Run:
        request = urllib.request.Request(f"{self.uri}/api/2.0/mlflow/runs/get?run_id={run_id}")
        run = self._read(request, "runs/get", _OneRun).run
        if run.info.run_id != run_id:
            raise self._nonsense(f"runs/get: run {one_line(run.info.run_id, 40)} for {run_id}")
        if run.info.lifecycle_stage != "active":
            raise RefusedError(f"MLflow run {run_id} is deleted")
        return run

    def _post(self, method: str, body: dict[str, Any], kind: type[_A]) -> _A:
        request = urllib.request.Request(
            f"{self.uri}/api/2.0/mlflow/{method}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        return self._read(request, method, kind)

    def _read(self, request: urllib.request.Request, method: str, kind: type[_A]) -> _A:
        raw = self._answer(request, _LARGEST_ANSWER)
        try:
            answer = kind.model_validate_json(raw)
        except ValidationError as error:
            raise self._nonsense(
                f"{method}: {one_line(raw[:100].decode(errors='replace'), 60)}"
            ) from error
        # An empty answer says that there is nothing; one with other keys alone is somebody else's, or an error.
        if answer.error_code or (
            answer.model_extra and not answer.model_fields_set - answer.model_extra.keys()
        ):
            raise self._nonsense(f"{method}: {one_line(raw[:100].decode(errors='replace'), 60)}")
        return answer

    def _answer(
        self, request: urllib.request.Request, limit: int, *, attachment: str = ""
    ) -> bytes:
        """The body of an answer, `limit` bytes at most. An artifact comes as an attachment: a page of a proxy does not."""
        authorize(request, self._login)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                named: str = answer.headers.get("Content-Disposition") or ""
                raw: bytes = answer.read(limit)
                # Reading a part says nothing of an answer that ends too early: what is announced and lacks does.
                if len(raw) < limit and answer.length:
                    raise http.client.IncompleteRead(raw, answer.length)
        except urllib.error.HTTPError as error:
            if error.code in _DENIED:
                raise self._denied(error.code) from error
            path = urllib.parse.urlsplit(request.full_url).path
            text = f"MLflow at {self.uri} answers {path} with {error.code}"
            raise RefusedError(
                f"{text}; nothing is recorded until it does, see its log and its artifact store"
            ) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise UnavailableError(
                f"MLflow at {self.uri} does not answer ({one_line(str(error), 200)}); "
                "nothing is recorded until it does"
            ) from error
        if attachment not in named:
            raise self._nonsense("a page instead of an artifact")
        return raw

    def _denied(self, code: int) -> DeniedError:
        who = "the login" if self._login.header else "whoever has no login"
        return DeniedError(
            f"MLflow at {self.uri} refuses {who} ({code}); nothing is recorded until {USERNAME} and {PASSWORD}, "
            f"or {TOKEN}, are right here: {self._login.source}"
        )

    def _nonsense(self, what: str) -> RefusedError:
        return RefusedError(
            f"MLflow at {self.uri} answers nonsense ({what}); nothing is recorded until it is mended"
        )


def authorize(request: urllib.request.Request, login: Login) -> None:
    """Log in with a request; whom it is redirected to never sees the login."""
    if login.header:
        request.add_unredirected_header("Authorization", login.header)


def _header() -> str:
    """The Authorization header that MLflow's own client sends for these environment variables; empty for none."""
    username, password = os.environ.get(USERNAME), os.environ.get(PASSWORD)
    if username and password:
        return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"
    token = os.environ.get(TOKEN)
    return f"Bearer {token}" if token else ""
