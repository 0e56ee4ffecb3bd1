"""GitHub's REST API, as much of it as one sticky comment needs.

https://docs.github.com/en/rest/issues/comments and /pulls, version 2022-11-28.
"""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from itertools import count
from typing import Any

from ml_pipeline.documents.faults import PipelineError, UnavailableError

TIMEOUT_SECONDS = 30
_PAGE = 100


class GitHub:
    """One repository, `owner/name`, reached with a token that may write comments of pull requests."""

    def __init__(self, repository: str, token: str, api: str = "https://api.github.com") -> None:
        self._root, self._token = f"{api.rstrip('/')}/repos/{repository}", token

    def head(self, pull_request: int) -> str | None:
        """The newest commit of an open pull request; None where it is closed."""
        found = self._call("GET", f"/pulls/{pull_request}")
        return str(found["head"]["sha"]) if found["state"] == "open" else None

    def put_comment(self, pull_request: int, marker: str, body: str) -> bool:
        """Write the one comment of a pull request that begins with `marker`, in place where it exists; whether it is new.

        A comment that a person wrote is left alone, whatever it begins with.
        """
        for comment in self._pages(f"/issues/{pull_request}/comments"):
            if comment["user"]["type"] == "Bot" and str(comment["body"]).startswith(marker):
                self._call("PATCH", f"/issues/comments/{comment['id']}", {"body": body})
                return False
        self._call("POST", f"/issues/{pull_request}/comments", {"body": body})
        return True

    def _pages(self, path: str, **query: str) -> Iterator[Any]:
        for page in count(1):
            found = self._call(
                "GET",
                f"{path}?{urllib.parse.urlencode({**query, 'per_page': _PAGE, 'page': page})}",
            )
            yield from found
            if len(found) < _PAGE:
                return

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        raw = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._root + path, raw, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            said, what = error.read().decode(errors="replace")[:200], path.partition("?")[0]
            raise PipelineError(
                f"GitHub answers {error.code} to {method} {what}: {said}; check GITHUB_TOKEN's rights"
            ) from error
        except (OSError, ValueError) as error:
            raise UnavailableError(
                f"GitHub does not answer at {self._root}: {error}; run the workflow again"
            ) from error
