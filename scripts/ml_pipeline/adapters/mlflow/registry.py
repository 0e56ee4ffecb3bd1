"""MLflow's registry and the tags of its runs, written to say what git says. What it says is read to write less, and
decides nothing.

https://mlflow.org/docs/latest/api_reference/rest-api.html
"""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ml_pipeline.adapters.mlflow.tracking import NOBODY, Login, authorize
from ml_pipeline.documents.faults import UnavailableError
from ml_pipeline.documents.fields import one_line
from ml_pipeline.rules.automation.mirror import Alias, Mirror, RunNote, Tags, Version

TIMEOUT_SECONDS = 10
_PAGE = 500
_ASKED_ALONE = 50  # runs that are looked up one by one; for more, all are listed
_MOST_TAG = 5000  # characters that MLflow keeps of a tag
_ABSENT = "RESOURCE_DOES_NOT_EXIST"
# What a server says of a run or a logged model that it has not, such as after its database was lost.
_NOT_KNOWN_HERE = (_ABSENT, "INVALID_PARAMETER_VALUE")
_ENDED = ("FINISHED", "FAILED")


class RefusedError(UnavailableError):
    """The server answers, and does not do this. `code` is MLflow's word for it."""

    def __init__(self, text: str, code: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class _Known:
    """A run as MLflow has it."""

    run_id: str
    status: str
    tags: dict[str, str]


@dataclass
class Registry:
    """An MLflow server at `http://host:port`, and what it was brought to say before by this process."""

    uri: str
    login: Login = NOBODY
    _done: Mirror | None = None
    _noted: set[RunNote] = field(default_factory=set)

    def bring(self, mirror: Mirror) -> list[str]:
        """Make MLflow say it; what was written, or refused, one line each. Nothing where it says it already.

        Raises:
            UnavailableError: the server does not answer; the next call goes on.
        """
        if mirror == self._done:
            return []
        lines = [line for line in self._notes(mirror.notes) if line]
        numbers: dict[tuple[str, str], str] = {}
        for model in sorted({version.model for version in mirror.versions}):
            lines += self._model(model)
            wanted = [version for version in mirror.versions if version.model == model]
            numbers |= self._versions(model, wanted, lines)
        lines += self._aliases(mirror, numbers)
        self._done = mirror
        return lines

    def differences(self, mirror: Mirror) -> list[str]:
        """What `bring` would write of versions and aliases, one line each; writes nothing.

        Raises:
            UnavailableError: the server does not answer.
        """
        lines: list[str] = []
        numbers: dict[tuple[str, str], str] = {}
        for version in mirror.versions:
            found = self._numbers(version.model).get(version.run)
            if found is None:
                lines.append(f"{version.model}: no version for {version.run}")
            else:
                numbers[version.model, version.run] = found
        wanted, known = _by_name(mirror, numbers), self._known_aliases(mirror.names)
        for key in sorted(wanted.keys() | known.keys()):
            here, git = known.get(key, "no version"), wanted.get(key, "no version")
            if here != git:
                lines.append(f"{key[0]}: {key[1]} is {here}, git says {git}")
        return lines

    # ---- runs ----------------------------------------------------------------------------------------------------

    def _notes(self, notes: tuple[RunNote, ...]) -> Iterator[str]:
        """Bring the tags of runs up to date, and end those that failed without a word."""
        new = [note for note in notes if note not in self._noted]
        look = self._listed() if len(new) > _ASKED_ALONE else self._looked_up
        for note in new:
            known = look(note)
            if known:
                yield from self._note(note, known)
            self._noted.add(note)

    def _note(self, note: RunNote, known: _Known) -> Iterator[str]:
        wanted = dict(note.tags)
        if note.reason and "reason" not in known.tags:
            wanted["reason"] = note.reason
        changed = {
            k: v[:_MOST_TAG] for k, v in wanted.items() if known.tags.get(k) != v[:_MOST_TAG]
        }
        body = {"run_id": known.run_id, "tags": _pairs(tuple(changed.items()))}
        if changed:
            yield self._try("runs/log-batch", body)
        if note.reason and known.status not in _ENDED:
            ended = {"status": "FAILED", "end_time": int(time.time() * 1000)}
            yield self._try("runs/update", {"run_id": known.run_id, **ended})

    def _looked_up(self, note: RunNote) -> _Known | None:
        if note.run_id:
            try:
                return _known(self._get("runs/get", run_id=note.run_id)["run"])
            except RefusedError as error:
                if error.code != _ABSENT:
                    raise
                return None
        query = {
            "experiment_ids": self._experiments(),
            "filter": f"tags.identity = '{note.identity}'",
            "order_by": ["attributes.start_time DESC"],
            "max_results": 1,
        }
        runs = self._post("runs/search", query).get("runs", ())
        return _known(runs[0]) if runs else None

    def _listed(self) -> Callable[[RunNote], _Known | None]:
        by_id: dict[str, _Known] = {}
        by_identity: dict[str, _Known] = {}
        query = {"experiment_ids": self._experiments(), "max_results": _PAGE}
        # Oldest first, so that of several runs of one identity the newest stays.
        for run in self._pages("runs/search", "runs", {**query, "order_by": ["start_time ASC"]}):
            known = _known(run)
            by_id[known.run_id] = by_identity[known.tags.get("identity", "")] = known
        return (
            lambda note: by_id.get(note.run_id) if note.run_id else by_identity.get(note.identity)
        )

    def _experiments(self) -> list[str]:
        found = self._pages("experiments/search", "experiments", {"max_results": 1000})
        return [experiment["experiment_id"] for experiment in found]

    # ---- models --------------------------------------------------------------------------------------------------

    def _model(self, name: str) -> list[str]:
        try:
            self._get("registered-models/get", name=name)
        except RefusedError as error:
            if error.code != _ABSENT:
                raise
            self._post("registered-models/create", {"name": name})
            return [f"registered the model {name}"]
        return []

    def _versions(
        self, model: str, wanted: Iterable[Version], lines: list[str]
    ) -> dict[tuple[str, str], str]:
        """Register what is missing; the number of each version by model and run."""
        numbers = self._numbers(model)
        for version in wanted:
            if version.run in numbers:
                continue
            try:
                numbers[version.run] = self._register(version)
            except RefusedError as error:
                lines.append(str(error))
                continue
            lines.append(f"registered {version.run} as version {numbers[version.run]} of {model}")
        return {(model, run): number for run, number in numbers.items()}

    def _register(self, version: Version) -> str:
        """Number of a new version: of the logged model while MLflow has its run, else of where its bytes are."""
        body = {
            "name": version.model,
            "description": version.description,
            "tags": _pairs(version.tags),
        }
        if version.run_id:
            ids = {"run_id": version.run_id, "model_id": version.model_id}
            try:
                return self._created({**body, "source": version.logged_at, **ids})
            except RefusedError as error:
                if error.code not in _NOT_KNOWN_HERE:
                    raise
        return self._created({**body, "source": version.served_from})

    def _created(self, body: dict[str, Any]) -> str:
        return str(self._post("model-versions/create", body)["model_version"]["version"])

    def _numbers(self, model: str) -> dict[str, str]:
        """Version numbers by the reference of the run."""
        query = {"filter": f"name = '{model}'", "max_results": "1000"}
        found: dict[str, str] = {}
        while True:
            answer = self._get("model-versions/search", **query)
            for version in answer.get("model_versions", ()):
                run = {tag["key"]: tag["value"] for tag in version.get("tags", ())}.get("run")
                if run:
                    found[run] = version["version"]
            if not answer.get("next_page_token"):
                return found
            query["page_token"] = answer["next_page_token"]

    def _aliases(self, mirror: Mirror, numbers: dict[tuple[str, str], str]) -> list[str]:
        """Set the environment's aliases, and take away those that name what serves no more."""
        wanted, known = _by_name(mirror, numbers), self._known_aliases(mirror.names)
        lines = []
        for (model, name), number in sorted(wanted.items()):
            if known.get((model, name)) != number:
                body = {"name": model, "alias": name, "version": number}
                self._post("registered-models/alias", body)
                lines.append(f"{name} is version {number} of {model}")
        for model, name in sorted(known.keys() - wanted.keys()):
            body = {"name": model, "alias": name}
            self._call("registered-models/alias", json.dumps(body).encode(), "DELETE")
            lines.append(f"{name} is no version of {model} any more")
        return lines

    def _known_aliases(self, names: tuple[str, ...]) -> dict[tuple[str, str], str]:
        found: dict[tuple[str, str], str] = {}
        query = {"max_results": "1000"}
        while True:
            answer = self._get("registered-models/search", **query)
            for model in answer.get("registered_models", ()):
                for alias in model.get("aliases", ()):
                    if alias["alias"] in names:
                        found[model["name"], alias["alias"]] = alias["version"]
            if not answer.get("next_page_token"):
                return found
            query["page_token"] = answer["next_page_token"]

    # ---- requests ------------------------------------------------------------------------------------------------

    def _try(self, method: str, body: dict[str, Any]) -> str:
        """One line where the server refuses it: a run that was deleted there, say, keeps no other from its tags."""
        try:
            self._post(method, body)
        except RefusedError as error:
            return str(error)
        return ""

    def _pages(self, method: str, what: str, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
        query = dict(query)
        while True:
            answer = self._post(method, query)
            yield from answer.get(what, ())
            if not answer.get("next_page_token"):
                return
            query["page_token"] = answer["next_page_token"]

    def _post(self, method: str, body: dict[str, Any]) -> Any:
        return self._call(method, json.dumps(body).encode(), "POST")

    def _get(self, method: str, **query: str) -> Any:
        return self._call(f"{method}?{urllib.parse.urlencode(query)}", None, "GET")

    def _call(self, path: str, body: bytes | None, verb: str) -> Any:
        request = urllib.request.Request(
            f"{self.uri}/api/2.0/mlflow/{path}",
            body,
            {"Content-Type": "application/json"},
            method=verb,
        )
        authorize(request, self.login)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            raise _refused(self.uri, path, error) from error
        except (OSError, ValueError) as error:
            raise UnavailableError(
                f"MLflow at {self.uri} does not answer ({error}); its registry follows when it does"
            ) from error


def _refused(uri: str, path: str, error: urllib.error.HTTPError) -> UnavailableError:
    """What an answer that is not 200 says; one of 500 and more is no answer."""
    try:
        said = json.loads(error.read())
        code, text = str(said["error_code"]), str(said.get("message", ""))
    except (ValueError, KeyError, TypeError, OSError):
        code, text = "", str(error)
    line = one_line(f"MLflow at {uri} refuses {path.partition('?')[0]}: {text}", 300)
    return RefusedError(line, code) if error.code < 500 else UnavailableError(line)


def _by_name(mirror: Mirror, numbers: dict[tuple[str, str], str]) -> dict[tuple[str, str], str]:
    """Version numbers by model and alias; an alias of a version that is not there is none."""

    def number(alias: Alias) -> str | None:
        return numbers.get((alias.model, alias.run))

    return {(a.model, a.name): found for a in mirror.aliases if (found := number(a))}


def _pairs(tags: Tags) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags]


def _known(run: dict[str, Any]) -> _Known:
    tags = {tag["key"]: tag["value"] for tag in run.get("data", {}).get("tags", ())}
    return _Known(run["info"]["run_id"], run["info"].get("status", ""), tags)
