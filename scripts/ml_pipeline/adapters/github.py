"""GitHub's REST API, as much of it as one sticky comment needs.

https://docs.github.com/en/rest/issues/comments and /pulls, version 2022-11-28.
"""

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, FailFast, TypeAdapter, ValidationError

from ml_pipeline.documents.faults import PipelineError, UnavailableError
from ml_pipeline.documents.fields import one_line

TIMEOUT_SECONDS = 30
MAX_BYTES = 8 * 1024 * 1024  # a hundred comments of 65,536 characters are 7 MB
_PAGE, _MOST_PAGES = 100, 100


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class _Head(_Part):
    sha: str


class _Pull(_Part):
    state: str
    head: _Head


class _User(_Part):
    type: str


class _Comment(_Part):
    id: int
    user: _User | None  # whose account is gone
    body: str | None = None


Answer = TypeVar("Answer")
_PULL, _COMMENTS = TypeAdapter(_Pull), TypeAdapter(Annotated[list[_Comment], FailFast()])


def answered(shape: TypeAdapter[Answer], raw: bytes, path: str) -> Answer:
    """What GitHub says, held to what it documents.

    Raises:
        UnavailableError: it is not that, or too large to be read.
    """
    try:
        if len(raw) <= MAX_BYTES:
            return shape.validate_json(raw)
        said = f"has more than {MAX_BYTES} bytes"
    except ValidationError as error:
        said = one_line(str(error.errors(include_url=False, include_input=False)[0]["msg"]), 100)
    raise UnavailableError(
        f"GitHub's answer to {path} is not what it documents ({said}); run the workflow again"
    )


class GitHub:
    """One repository, `owner/name`, reached with a token that may write comments of pull requests."""

    def __init__(self, repository: str, token: str, api: str = "https://api.github.com") -> None:
        self._root, self._token = f"{api.rstrip('/')}/repos/{repository}", token

    def head(self, pull_request: int) -> str | None:
        """The newest commit of an open pull request; None where it is closed."""
        path = f"/pulls/{pull_request}"
        pull = answered(_PULL, self._call("GET", path), path)
        return pull.head.sha if pull.state == "open" else None

    def put_comment(self, pull_request: int, marker: str, body: str) -> bool:
        """Write the one comment of a pull request that begins with `marker`, in place where it exists; whether it is new.

        A comment that a person wrote is left alone, whatever it begins with.
        """
        for comment in self._comments(f"/issues/{pull_request}/comments"):
            is_bot = comment.user is not None and comment.user.type == "Bot"
            if is_bot and (comment.body or "").startswith(marker):
                self._call("PATCH", f"/issues/comments/{comment.id}", {"body": body})
                return False
        self._call("POST", f"/issues/{pull_request}/comments", {"body": body})
        return True

    def _comments(self, path: str) -> Iterator[_Comment]:
        for page in range(1, _MOST_PAGES + 1):
            query = urllib.parse.urlencode({"per_page": _PAGE, "page": page})
            found = answered(_COMMENTS, self._call("GET", f"{path}?{query}"), path)
            yield from found
            if len(found) < _PAGE:
                return

    def _call(self, method: str, path: str, body: Any = None) -> bytes:
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        raw = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._root + path, raw, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                return bytes(answer.read(MAX_BYTES + 1))
        except urllib.error.HTTPError as error:
            said, what = (
                one_line(error.read(2000).decode(errors="replace"), 200),
                path.partition("?")[0],
            )
            raise PipelineError(
                f"GitHub answers {error.code} to {method} {what}: {said}; check GITHUB_TOKEN's rights"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise UnavailableError(
                f"GitHub does not answer at {self._root}: {error}; run the workflow again"
            ) from error
