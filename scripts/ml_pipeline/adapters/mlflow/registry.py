"""MLflow's registry and the tags of its runs, written to say what git says.

What it says is read to write less, and decides nothing.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from pydantic import ValidationError

from ml_pipeline.adapters import http
from ml_pipeline.adapters.mlflow.answers import (
    Experiments,
    LoggedRun,
    Models,
    OneRun,
    OneVersion,
    Refusal,
    Reply,
    Runs,
    Versions,
)
from ml_pipeline.adapters.mlflow.server import NOBODY, Login, RefusedError, Server, pages
from ml_pipeline.documents.faults import UnavailableError
from ml_pipeline.documents.fields import one_line
from ml_pipeline.rules.automation.mirror import Mirror, RunNote, Version

_PAGE = 500
_ASKED_ALONE = 50  # runs that are looked up one by one; for more, all are listed
_MOST_TAG = 5000  # characters that MLflow keeps of a tag
_ABSENT = "RESOURCE_DOES_NOT_EXIST"
# What a server says of a run or a logged model that it has not, such as after its database was
# lost.
_NOT_KNOWN_HERE = (_ABSENT, "INVALID_PARAMETER_VALUE")
_ENDED = ("FINISHED", "FAILED")
R = TypeVar("R", bound=Reply)


@dataclass
class Registry:
    """An MLflow server at `http://host:port`, and what this process has brought it to say."""

    uri: str
    login: Login = NOBODY
    _done: Mirror | None = None
    _noted: set[RunNote] = field(default_factory=set)

    @cached_property
    def _server(self) -> Server:
        return Server(self.uri, self.login, "its registry follows when it does")

    def bring(self, mirror: Mirror) -> list[str]:
        """Make MLflow say it; what was written, or refused, one line each.

        Raises:
            UnavailableError: the server does not answer; the next call goes on.
        """
        if mirror == self._done:
            return []
        # Runs first, then versions of them, then aliases of those: each names what is before it.
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

    # ---- runs ----------------------------------------------------------------------------------

    def _notes(self, notes: tuple[RunNote, ...]) -> Iterator[str]:
        """Bring the tags of runs up to date, and end those that failed without a word."""
        new = [note for note in notes if note not in self._noted]
        look = self._listed() if len(new) > _ASKED_ALONE else self._looked_up
        for note in new:
            known = look(note)
            if known:
                yield from self._note(note, known)
            self._noted.add(note)

    def _note(self, note: RunNote, known: LoggedRun) -> Iterator[str]:
        run_id = known.info.run_id
        wanted = dict(note.tags)
        if note.reason and "reason" not in known.tags:
            wanted["reason"] = note.reason
        # Compared as MLflow keeps it, or a long one would be written again at every pass.
        kept = {key: value[:_MOST_TAG] for key, value in wanted.items()}
        changed = {key: value for key, value in kept.items() if known.tags.get(key) != value}
        if changed:
            yield self._try("runs/log-batch", {"run_id": run_id, "tags": _pairs(changed.items())})
        if note.reason and known.info.status not in _ENDED:
            ended = {"status": "FAILED", "end_time": int(time.time() * 1000)}
            yield self._try("runs/update", {"run_id": run_id, **ended})

    def _looked_up(self, note: RunNote) -> LoggedRun | None:
        if note.run_id:
            try:
                return self._get("runs/get", OneRun, {"run_id": note.run_id}).run
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
        runs = self._send("runs/search", query, Runs).runs
        return runs[0] if runs else None

    def _listed(self) -> Callable[[RunNote], LoggedRun | None]:
        def ask(token: dict[str, str]) -> Runs:
            return self._send("runs/search", query | token, Runs)

        query = {
            "experiment_ids": self._experiments(),
            "max_results": _PAGE,
            # Oldest first, so that of several runs of one identity the newest stays.
            "order_by": ["start_time ASC"],
        }
        by_id: dict[str, LoggedRun] = {}
        by_identity: dict[str, LoggedRun] = {}
        for page in pages(ask):
            for run in page.runs:
                by_id[run.info.run_id] = by_identity[run.tags.get("identity", "")] = run

        def look(note: RunNote) -> LoggedRun | None:
            return by_id.get(note.run_id) if note.run_id else by_identity.get(note.identity)

        return look

    def _experiments(self) -> list[str]:
        def ask(token: dict[str, str]) -> Experiments:
            return self._send("experiments/search", query | token, Experiments)

        query: dict[str, object] = {"max_results": 1000}
        ids: list[str] = []
        for page in pages(ask):
            ids += [experiment.experiment_id for experiment in page.experiments]
        return ids

    # ---- models --------------------------------------------------------------------------------

    def _model(self, name: str) -> list[str]:
        try:
            self._get("registered-models/get", Reply, {"name": name})
        except RefusedError as error:
            if error.code != _ABSENT:
                raise
            self._send("registered-models/create", {"name": name}, Reply)
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
        """Number of a new version, of the logged model while MLflow has its run.

        Else of where its bytes are: MLflow's database may have been lost, and git not.
        """
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

    def _created(self, body: Mapping[str, object]) -> str:
        return self._send("model-versions/create", body, OneVersion).model_version.version

    def _numbers(self, model: str) -> dict[str, str]:
        """Version numbers by the reference of the run."""

        def ask(token: dict[str, str]) -> Versions:
            return self._get("model-versions/search", Versions, query | token)

        query = {"filter": f"name = '{model}'", "max_results": "1000"}
        numbers: dict[str, str] = {}
        for page in pages(ask):
            for version in page.model_versions:
                if version.run:
                    numbers[version.run] = version.version
        return numbers

    def _aliases(self, mirror: Mirror, numbers: dict[tuple[str, str], str]) -> list[str]:
        """Set the environment's aliases, and take away those that name what serves no more."""
        wanted, known = _by_name(mirror, numbers), self._known_aliases(mirror.names)
        lines = []
        for (model, name), number in sorted(wanted.items()):
            if known.get((model, name)) != number:
                body = {"name": model, "alias": name, "version": number}
                self._send("registered-models/alias", body, Reply)
                lines.append(f"{name} is version {number} of {model}")
        for model, name in sorted(known.keys() - wanted.keys()):
            body = {"name": model, "alias": name}
            self._send("registered-models/alias", body, Reply, "DELETE")
            lines.append(f"{name} is no version of {model} any more")
        return lines

    def _known_aliases(self, names: tuple[str, ...]) -> dict[tuple[str, str], str]:
        """Version numbers by model and alias, of the aliases that are this environment's."""

        def ask(token: dict[str, str]) -> Models:
            return self._get("registered-models/search", Models, query | token)

        query = {"max_results": "1000"}
        numbers: dict[tuple[str, str], str] = {}
        for page in pages(ask):
            for model in page.registered_models:
                for alias in model.aliases:
                    if alias.alias in names:
                        numbers[model.name, alias.alias] = alias.version
        return numbers

    # ---- requests ------------------------------------------------------------------------------

    def _try(self, method: str, body: Mapping[str, object]) -> str:
        """One line where the server refuses it: a run that was deleted there, say, keeps no other
        from its tags."""
        try:
            self._send(method, body, Reply)
        except RefusedError as error:
            return str(error)
        return ""

    def _get(self, method: str, kind: type[R], query: Mapping[str, str]) -> R:
        return self._read(method, self._server.get(method, **query), kind)

    def _send(
        self, method: str, body: Mapping[str, object], kind: type[R], verb: str = "POST"
    ) -> R:
        return self._read(method, self._server.send(method, body, verb), kind)

    def _read(self, method: str, answer: http.Answer, kind: type[R]) -> R:
        if not answer.is_good:
            raise _refused(self.uri, method, answer)
        try:
            return kind.model_validate(json.loads(answer.body or b"{}"))
        except ValidationError as error:
            fault = error.errors(include_url=False, include_input=False)[0]["msg"]
            raise self._server.silence(f"nonsense to {method}: {one_line(fault, 100)}") from error
        except (ValueError, RecursionError) as error:
            raise self._server.silence(error) from error


def _refused(uri: str, method: str, answer: http.Answer) -> UnavailableError:
    """What an answer that is not 200 says; one of 500 and more is no answer."""
    try:
        refusal = Refusal.model_validate_json(answer.body)
        code, text = refusal.error_code, refusal.message
    except ValidationError:
        code, text = "", answer.status_line
    line = one_line(f"MLflow at {uri} refuses {method}: {text}", 300)
    return RefusedError(line, code) if answer.status < 500 else UnavailableError(line)


def _by_name(mirror: Mirror, numbers: dict[tuple[str, str], str]) -> dict[tuple[str, str], str]:
    """Version numbers by model and alias; an alias of a version that is not there is none."""
    named: dict[tuple[str, str], str] = {}
    for alias in mirror.aliases:
        number = numbers.get((alias.model, alias.run))
        if number:
            named[alias.model, alias.name] = number
    return named


def _pairs(tags: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags]
