"""GitHub's REST API, as much of it as one sticky comment needs.

https://docs.github.com/en/rest/issues/comments and /pulls, version 2022-11-28.
"""

import json
from collections.abc import Iterator
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, FailFast, TypeAdapter, ValidationError

from ml_pipeline.adapters import http
from ml_pipeline.documents.faults import PipelineError, UnavailableError
from ml_pipeline.documents.fields import one_line

TIMEOUT_SECONDS = 30
MAX_BYTES = 8 * 1024 * 1024  # a hundred comments of 65,536 characters are 7 MB
_PAGE, _MOST_PAGES = 100, 100
_SHOWN_BYTES = 2000  # of what GitHub says of a refusal
_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}


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


Shape = TypeVar("Shape")
_PULL, _COMMENTS = TypeAdapter(_Pull), TypeAdapter(Annotated[list[_Comment], FailFast()])


def answered(shape: TypeAdapter[Shape], raw: bytes, path: str) -> Shape:
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
    """One repository, `owner/name`, reached with a token that may comment on pull requests."""

    def __init__(self, repository: str, token: str, api: str = "https://api.github.com") -> None:
        self._root, self._token = f"{api.rstrip('/')}/repos/{repository}", token

    def head(self, pull_request: int) -> str | None:
        """The newest commit of an open pull request; None where it is closed."""
        path = f"/pulls/{pull_request}"
        pull = answered(_PULL, self._call("GET", path), path)
        return pull.head.sha if pull.state == "open" else None

    def put_comment(self, pull_request: int, marker: str, body: str) -> bool:
        """Write the one comment that begins with `marker`, in place if it exists.

        Returns whether it is new. What a person wrote is left alone, whatever it begins with.
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
            target = http.with_query(path, {"per_page": str(_PAGE), "page": str(page)})
            comments = answered(_COMMENTS, self._call("GET", target), path)
            yield from comments
            if len(comments) < _PAGE:
                return

    def _call(self, method: str, path: str, body: dict[str, str] | None = None) -> bytes:
        raw = None if body is None else json.dumps(body).encode()
        login = f"Bearer {self._token}"
        request = http.Request(f"{self._root}{path}", method, raw, _HEADERS, login)
        try:
            # One byte more than is read, so that `answered` sees what is too large.
            answer = http.send(request, seconds=TIMEOUT_SECONDS, limit=MAX_BYTES + 1)
        except http.NoAnswerError as error:
            raise UnavailableError(
                f"GitHub does not answer at {self._root}: {error}; run the workflow again"
            ) from error
        if answer.is_good:
            return answer.body
        said = one_line(answer.body[:_SHOWN_BYTES].decode(errors="replace"), 200)
        what = path.partition("?")[0]
        raise PipelineError(
            f"GitHub answers {answer.status} to {method} {what}: {said}; "
            "check GITHUB_TOKEN's rights"
        )
