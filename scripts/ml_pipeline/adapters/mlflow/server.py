"""An MLflow server: who asks it, how, and what an answer that says no is called.

The client library takes seconds to import; a few requests do not.

https://mlflow.org/docs/latest/api_reference/rest-api.html
"""

import base64
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from ml_pipeline.adapters import http
from ml_pipeline.adapters.mlflow.answers import Page
from ml_pipeline.documents.faults import UnavailableError
from ml_pipeline.rules.render.overlays import LOGIN

TIMEOUT_SECONDS = 10
USERNAME, PASSWORD, TOKEN = LOGIN
# Bytes of an answer: 500 runs with all their tags are a tenth of it.
_LARGEST_ANSWER = 64 * 2**20
_JSON = {"Content-Type": "application/json"}
Pages = TypeVar("Pages", bound=Page)


class RefusedError(UnavailableError):
    """The server answers, and does not do this; `code` is MLflow's word for why, if it has one."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Login:
    """Who asks, as MLflow's own client reads it from the environment.

    `header` is the value of Authorization, `source` says where a person finds the login.
    """

    header: str = field(default="", repr=False)
    source: str = "name the Secret with it in tracking.secret of environment.yaml"

    @classmethod
    def of(cls, where: str, secret: str | None) -> "Login":
        """The login in this process's variables, for an environment file that names a Secret."""
        if secret is None:
            return cls(_header())
        return cls(_header(), f"it is in Secret {secret}, tracking.secret of {where}")


NOBODY = Login()


@dataclass(frozen=True)
class Server:
    """A server at `http://host:port`; `consequence` says what a silent one keeps back."""

    uri: str
    login: Login
    consequence: str

    def get(self, method: str, **query: str) -> http.Answer:
        """Ask the API."""
        return self.fetch(http.with_query(f"/api/2.0/mlflow/{method}", query))

    def send(self, method: str, body: Mapping[str, object], verb: str = "POST") -> http.Answer:
        """Have the API do something, or look for what takes more than an address to say."""
        raw = json.dumps(body).encode()
        return self._answer(
            http.Request(self._at(f"/api/2.0/mlflow/{method}"), verb, raw, _JSON, self.login.header)
        )

    def fetch(self, target: str, limit: int = _LARGEST_ANSWER) -> http.Answer:
        """Read any address of the server; `limit` bytes at most."""
        return self._answer(http.Request(self._at(target), login=self.login.header), limit)

    def silence(self, reason: object) -> UnavailableError:
        """The error of a server that gives no answer, or none that anybody understands."""
        return UnavailableError(
            f"MLflow at {self.uri} does not answer ({reason}); {self.consequence}"
        )

    def _at(self, target: str) -> str:
        return f"{self.uri}{target}"

    def _answer(self, request: http.Request, limit: int = _LARGEST_ANSWER) -> http.Answer:
        try:
            return http.send(request, seconds=TIMEOUT_SECONDS, limit=limit)
        except http.NoAnswerError as error:
            raise self.silence(error) from error


def pages(ask: Callable[[dict[str, str]], Pages]) -> Iterator[Pages]:
    """Every page of a list; `ask` is given what names the next one, nothing for the first."""
    token: dict[str, str] = {}
    while True:
        page = ask(token)
        yield page
        if not page.next_page_token:
            return
        token = {"page_token": page.next_page_token}


def _header() -> str:
    """The header Authorization that MLflow's own client sends here; empty for none."""
    username, password = os.environ.get(USERNAME), os.environ.get(PASSWORD)
    if username and password:
        return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"
    token = os.environ.get(TOKEN)
    return f"Bearer {token}" if token else ""
