"""What MLflow has of the runs that pods have named, as far as reconciling reads it."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import ValidationError

from ml_pipeline.adapters import http
from ml_pipeline.adapters.mlflow.answers import Experiments, LoggedRun, OneRun, Reply, Runs
from ml_pipeline.adapters.mlflow.server import (
    NOBODY,
    PASSWORD,
    TOKEN,
    USERNAME,
    Login,
    RefusedError,
    Server,
    pages,
)
from ml_pipeline.documents.faults import UnavailableError
from ml_pipeline.documents.fields import one_line
from ml_pipeline.documents.results import MAX_BYTES, Finished, TerminationMessage
from ml_pipeline.rules.automation.observed import Hold

RECEIPT = "receipt.json"
# Runs that are asked for one by one; more are searched for, the second many in a query.
_ASKED_ALONE = 10
_IN_ONE_QUERY, _EXPERIMENTS = 200, 1000
_GIVEN_UP = 5  # results that cannot be fetched, before the others are left for the next look
_DENIED = (401, 403)
_NOTHING = "nothing is recorded until it does"
R = TypeVar("R", bound=Reply)


class DeniedError(UnavailableError):
    """The server does not let us in."""


@dataclass(frozen=True)
class Look:
    """What MLflow has of what pods have said.

    Results by identity, why it refuses others, and why it could not be asked.
    """

    results: dict[str, Finished]
    refused: dict[str, str] = field(default_factory=dict)
    held: tuple[Hold, ...] = ()


class Tracking:
    """An MLflow server, and the receipts of it that were what their pods have said."""

    def __init__(self, uri: str, login: Login | None = None) -> None:
        self._server = Server(uri, login or NOBODY, _NOTHING)
        self._receipts: dict[TerminationMessage, Finished] = {}

    @property
    def uri(self) -> str:
        """Where the server is."""
        return self._server.uri

    def look(self, words: Mapping[str, TerminationMessage]) -> Look:
        """Results by identity, each from the MLflow run that a pod has named. Raises nothing.

        One that cannot be fetched does not hide the others; a silent server ends the look.
        """
        self._forget_all_but(set(words.values()))
        results: dict[str, Finished] = {}
        refused: dict[str, str] = {}
        runs = self._runs_of(words)
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
        self._post("runs/delete", {"run_id": run_id}, Reply)

    def _forget_all_but(self, words: set[TerminationMessage]) -> None:
        self._receipts = {
            word: finished for word, finished in self._receipts.items() if word in words
        }

    def _known(self, words: Mapping[str, TerminationMessage]) -> dict[str, Finished]:
        """What looks before have read."""
        return {i: self._receipts[word] for i, word in words.items() if word in self._receipts}

    def _runs_of(self, words: Mapping[str, TerminationMessage]) -> dict[str, LoggedRun]:
        """The runs that pods have named since the last look; empty where few are to be fetched."""
        new = [word.mlflow_run for word in words.values() if word not in self._receipts]
        if len(new) > _ASKED_ALONE:
            with suppress(UnavailableError):  # the first one that is asked for by itself says why
                return self._searched(new)
        return {}

    def _searched(self, run_ids: list[str]) -> dict[str, LoggedRun]:
        """Many runs in few answers; one that is not among them is asked for by itself."""
        experiments = self._experiments()
        runs: dict[str, LoggedRun] = {}
        for first in range(0, len(run_ids), _IN_ONE_QUERY):
            names = ", ".join(f"'{run}'" for run in run_ids[first : first + _IN_ONE_QUERY])
            query = {"filter": f"attributes.run_id IN ({names})", "max_results": _IN_ONE_QUERY}
            for start in range(0, len(experiments), _EXPERIMENTS):
                part = {"experiment_ids": experiments[start : start + _EXPERIMENTS]}
                answer = self._post("runs/search", query | part, Runs)
                runs |= {run.info.run_id: run for run in answer.runs}
        return runs

    def _experiments(self) -> list[str]:
        def ask(token: dict[str, str]) -> Experiments:
            return self._post("experiments/search", query | token, Experiments)

        query: dict[str, object] = {"max_results": _EXPERIMENTS}
        ids: list[str] = []
        for page in pages(ask):
            ids += [experiment.experiment_id for experiment in page.experiments]
        return ids

    def _finished(self, word: TerminationMessage, run: LoggedRun | None = None) -> Finished:
        """What MLflow has of a run. It is asked anew until that is what the pod has left."""
        if word in self._receipts:
            return self._receipts[word]
        run = run or self._run(word.mlflow_run)
        target = http.with_query("/get-artifact", {"path": RECEIPT, "run_uuid": word.mlflow_run})
        # One byte more than a receipt may have: that it is too large is told from what was read.
        answer = self._server.fetch(target, MAX_BYTES + 1)
        receipt = self._good(answer, "/get-artifact").body
        # An artifact comes as an attachment: the page of a proxy does not.
        if RECEIPT not in answer.disposition:
            raise self._nonsense("a page instead of an artifact")
        finished = Finished(word, receipt, run.folders)
        if finished.is_as_said:
            self._receipts[word] = finished
        return finished

    def _run(self, run_id: str) -> LoggedRun:
        run = self._read(self._server.get("runs/get", run_id=run_id), "runs/get", OneRun).run
        if run.info.run_id != run_id:
            raise self._nonsense(f"runs/get: run {one_line(run.info.run_id, 40)} for {run_id}")
        if run.info.lifecycle_stage != "active":
            raise RefusedError(f"MLflow run {run_id} is deleted")
        return run

    def _post(self, method: str, body: Mapping[str, object], kind: type[R]) -> R:
        return self._read(self._server.send(method, body), method, kind)

    def _read(self, answer: http.Answer, method: str, kind: type[R]) -> R:
        raw = self._good(answer, f"/api/2.0/mlflow/{method}").body
        said = one_line(raw[:100].decode(errors="replace"), 60)
        try:
            reply = kind.model_validate_json(raw)
        except ValidationError as error:
            raise self._nonsense(f"{method}: {said}") from error
        # An empty answer says that there is nothing; one with other keys alone is somebody else's,
        # or an error.
        others = (reply.model_extra or {}).keys()
        if reply.error_code or (others and not reply.model_fields_set - others):
            raise self._nonsense(f"{method}: {said}")
        return reply

    def _good(self, answer: http.Answer, path: str) -> http.Answer:
        if answer.is_good:
            return answer
        if answer.status in _DENIED:
            raise self._denied(answer.status)
        below = http.path_of(f"{self.uri}{path}")
        raise RefusedError(
            f"MLflow at {self.uri} answers {below} with {answer.status}; {_NOTHING}, "
            "see its log and its artifact store"
        )

    def _denied(self, status: int) -> DeniedError:
        who = "the login" if self._server.login.header else "whoever has no login"
        return DeniedError(
            f"MLflow at {self.uri} refuses {who} ({status}); nothing is recorded until "
            f"{USERNAME} and {PASSWORD}, or {TOKEN}, are right here: {self._server.login.source}"
        )

    def _nonsense(self, what: str) -> RefusedError:
        return RefusedError(
            f"MLflow at {self.uri} answers nonsense ({what}); "
            "nothing is recorded until it is mended"
        )
