"""MLflow's REST API, as far as reconciling reads it. The client library takes seconds to import; a few requests do not.

https://mlflow.org/docs/latest/api_reference/rest-api.html
"""

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ml_pipeline.documents.faults import UnavailableError
from ml_pipeline.documents.fields import SHORT, one_line
from ml_pipeline.documents.results import MAX_BYTES, Finished
from ml_pipeline.rules.observed import Hold

TIMEOUT_SECONDS = 10
RECEIPT = "receipt.json"
_SETTLED = "tags.settled = 'true'"
_LARGEST_ANSWER = 256 * 2**20
_PAGE, _NEWEST = (
    500,
    10,
)  # runs in an answer: when all are read, and when only new ones are looked for
_IN_ONE_QUERY = 5000  # experiments that one search names; databases bound the length of a list
_ASKED_ALONE = 50  # identities that are looked up one by one; for more, all runs are read again
_REREAD = 1200  # looks, ten minutes of them: what the clocks of pods or a restored run have hidden is found then
_GIVEN_UP = 20  # receipts that cannot be fetched, before the others are left for the next look


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class _Tag(_Part):
    key: str
    value: str = ""


class _Info(_Part):
    run_id: str
    experiment_id: str


class _Data(_Part):
    tags: list[_Tag] = []


class _Run(_Part):
    info: _Info
    data: _Data = _Data()

    @property
    def identity(self) -> str:
        """What the run was to do; empty for a run of somebody else."""
        return next((tag.value for tag in self.data.tags if tag.key == "identity"), "")


class _Answer(_Part):
    model_config = ConfigDict(extra="allow", strict=True)

    error_code: str | None = None
    next_page_token: str | None = None


class _Runs(_Answer):
    runs: list[_Run] = []


class _Experiment(_Part):
    experiment_id: str
    name: str


class _Experiments(_Answer):
    experiments: list[_Experiment] = []


Page = TypeVar("Page", _Runs, _Experiments)


class RefusedError(UnavailableError):
    """The server answers, and not this question."""


@dataclass(frozen=True)
class Look:
    """What MLflow knows of what is awaited: results by identity, the identities of which it could not be asked, and why."""

    results: dict[str, Finished]
    unknown: frozenset[str] = frozenset()
    held: tuple[Hold, ...] = ()


class Tracking:
    """An MLflow server at `http://host:port`, and what was read of it before: a settled run does not change."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._looks = 0
        self._awaited: set[str] = set()
        self._settled: dict[str, _Info] = {}  # by identity
        self._seen: set[str] = set()  # their run ids
        self._receipts: dict[str, Finished] = {}  # by run id

    def look(self, awaited: Collection[str], failed: Collection[str] = ()) -> Look:
        """Results of awaited identities. `failed` are the short identities of failed Jobs: whether MLflow holds a result of
        these is asked of MLflow itself, never answered from memory. Raises nothing: what is not known is held and named."""
        awaited = set(awaited)
        if not awaited:
            return Look({})
        try:
            experiments = self._experiments()
            self._find(awaited, failed, list(experiments))
        except UnavailableError as error:
            return self._unavailable(awaited, error)
        self._awaited = awaited
        found = {i: self._settled[i] for i in sorted(awaited) if i in self._settled}
        kept = {info.run_id for info in found.values()}
        self._receipts = {run: known for run, known in self._receipts.items() if run in kept}
        return self._fetched(found, experiments)

    def delete(self, run_id: str) -> None:
        """Have MLflow forget a run; it stays restorable there.

        Raises:
            UnavailableError: the server does not answer, or refuses.
        """
        self._post("runs/delete", {"run_id": run_id}, _Answer)

    def _unavailable(self, awaited: set[str], error: UnavailableError) -> Look:
        """What a look before has read, and nothing of the rest."""
        known = {
            identity: self._receipts[info.run_id]
            for identity, info in self._settled.items()
            if identity in awaited & self._awaited and info.run_id in self._receipts
        }
        return Look(known, frozenset(awaited - known.keys()), (Hold("MLflow", str(error)),))

    def _find(self, awaited: set[str], failed: Collection[str], experiments: list[str]) -> None:
        """Bring what is known of settled runs up to date."""
        is_first = self._looks % _REREAD == 0
        if not is_first:
            self._read_new(experiments)
            # A receipt that was taken out makes a run awaited again; its MLflow run may have been deleted with it.
            again = {i for i in awaited - self._awaited if i in self._settled}
            unsure = {i for i in awaited if i[:SHORT] in failed and i not in self._settled}
            alone = again | unsure
            if len(alone) <= _ASKED_ALONE:
                for identity in alone:
                    self._ask(identity, experiments)
            else:
                is_first = True
        if is_first:
            self._read_all(experiments)
        self._looks += 1

    def _read_all(self, experiments: list[str]) -> None:
        settled: dict[str, _Info] = {}
        seen: set[str] = set()
        for page in self._runs(experiments, _SETTLED, _PAGE):
            for run in page:
                seen.add(run.info.run_id)
                settled.setdefault(run.identity, run.info)
        self._settled, self._seen = settled, seen

    def _read_new(self, experiments: list[str]) -> None:
        """Runs that have ended since the last look, the newest first; and those that were killed before they could end."""
        for query in (_SETTLED, f"{_SETTLED} and attributes.status = 'RUNNING'"):
            for page in self._runs(experiments, query, _NEWEST):
                new = [run for run in page if run.info.run_id not in self._seen]
                if not new:
                    break
                self._seen |= {run.info.run_id for run in new}
                self._settled |= {run.identity: run.info for run in new}

    def _ask(self, identity: str, experiments: list[str]) -> None:
        self._settled.pop(identity, None)
        query = f"tags.identity = '{identity}' and {_SETTLED}"
        for page in self._runs(experiments, query, 1):
            for run in page:
                self._settled[identity] = run.info
                self._seen.add(run.info.run_id)
                return

    def _fetched(self, found: dict[str, _Info], experiments: dict[str, str]) -> Look:
        """The receipts of some runs. One that cannot be fetched does not hide the others; a silent server ends the look."""
        results: dict[str, Finished] = {}
        refused: list[str] = []
        silent = ""
        for identity, info in found.items():
            try:
                results[identity] = self._receipt(info, experiments.get(info.experiment_id, ""))
            except RefusedError as error:
                refused.append(str(error))
                if len(refused) == _GIVEN_UP:
                    break
            except UnavailableError as error:
                silent = str(error)
                break
        held = []
        if refused:
            more = f" and of {len(refused) - 1} more" if len(refused) > 1 else ""
            text = f"the receipt of a finished run{more} cannot be read: {refused[0]}"
            held.append(Hold("MLflow receipts", text))
        if silent:
            held.append(Hold("MLflow", silent))
        return Look(results, frozenset(found.keys() - results.keys()), tuple(held))

    def _receipt(self, info: _Info, experiment: str) -> Finished:
        if info.run_id not in self._receipts:
            query = urllib.parse.urlencode({"path": RECEIPT, "run_uuid": info.run_id})
            request = urllib.request.Request(f"{self.uri}/get-artifact?{query}")
            raw = self._answer(request, MAX_BYTES + 1, attachment=RECEIPT)
            self._receipts[info.run_id] = Finished(info.run_id, experiment, raw)
        return self._receipts[info.run_id]

    def _experiments(self) -> dict[str, str]:
        """Names of all experiments by id. There is always one, `Default`: a server that has none is not the one that is meant."""
        pages = self._pages("experiments/search", {"max_results": 1000}, _Experiments)
        found = {e.experiment_id: e.name for page in pages for e in page.experiments}
        if not found:
            raise self._nonsense("it has no experiment, not even Default")
        return found

    def _runs(self, experiments: list[str], query: str, size: int) -> Iterator[list[_Run]]:
        """Pages of runs, those that have ended last first."""
        ids = iter(experiments)
        while part := list(islice(ids, _IN_ONE_QUERY)):
            body = {
                "experiment_ids": part,
                "filter": query,
                "max_results": size,
                "order_by": ["attributes.end_time DESC"],
            }
            for page in self._pages("runs/search", body, _Runs):
                yield page.runs

    def _pages(self, method: str, body: dict[str, Any], kind: type[Page]) -> Iterator[Page]:
        token: str | None = ""
        while token is not None:
            more = {"page_token": token} if token else {}
            page = self._post(method, {**body, **more}, kind)
            yield page
            token = page.next_page_token or None

    def _post(self, method: str, body: dict[str, Any], kind: type["_A"]) -> "_A":
        request = urllib.request.Request(
            f"{self.uri}/api/2.0/mlflow/{method}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
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
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                named: str = answer.headers.get("Content-Disposition") or ""
                raw: bytes = answer.read(limit)
                # Reading a part says nothing of an answer that ends too early: what is announced and lacks does.
                if len(raw) < limit and answer.length:
                    raise http.client.IncompleteRead(raw, answer.length)
        except urllib.error.HTTPError as error:
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

    def _nonsense(self, what: str) -> UnavailableError:
        return UnavailableError(
            f"MLflow at {self.uri} answers nonsense ({what}); nothing is recorded until it is mended"
        )


_A = TypeVar("_A", bound=_Answer)
