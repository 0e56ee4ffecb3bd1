"""Envoy's admin interface, a socket in a folder: one page of it as text."""

from pathlib import Path

from ml_pipeline.adapters import http

MAX_BYTES = 4 * 1024 * 1024  # a page of a hundred predictors has a tenth of it


def get(path: Path, target: str, *, seconds: float) -> str:
    """The page at `target` of the server that listens at the socket `path`.

    Raises:
        NoAnswerError: nothing listens there, or what answers is another status than 200, more than
            MAX_BYTES or no HTTP.
    """
    # A socket in a folder has no host; HTTP/1.1 wants a name all the same.
    request = http.Request(f"http://localhost{target}")
    answer = http.send(request, seconds=seconds, limit=MAX_BYTES + 1, unix_socket=path)
    if answer.status != 200:
        raise http.NoAnswerError(f"{target} is answered {answer.status}")
    if len(answer.body) > MAX_BYTES:
        raise http.NoAnswerError(f"{target} has more than {MAX_BYTES} bytes")
    return answer.body.decode(errors="replace")
