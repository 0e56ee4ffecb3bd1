"""`python git_server.py ROOT ADDRESS PORT`: git over HTTP with push, for tests; nobody is asked who they are."""

import http.server
import os
import subprocess
import sys
import tempfile
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Handler(http.server.BaseHTTPRequestHandler):
    """Hands every request to `git http-backend` (https://git-scm.com/docs/git-http-backend)."""

    protocol_version = "HTTP/1.1"
    root: Path

    def do_GET(self):
        url = urlsplit(self.path)
        with tempfile.TemporaryFile() as body:
            body.write(self._body())
            size = body.tell()
            body.seek(0)
            environ = {
                **os.environ,
                "GIT_PROJECT_ROOT": str(self.root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": "safe.directory",
                "GIT_CONFIG_VALUE_0": "*",
                "REQUEST_METHOD": self.command,
                "PATH_INFO": unquote(url.path),
                "QUERY_STRING": url.query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(size),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "REMOTE_ADDR": self.client_address[0],
            }
            answer = subprocess.run(
                ["git", "http-backend"], stdin=body, capture_output=True, env=environ
            ).stdout
        self._send(answer)

    do_POST = do_GET

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        whole = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    def _send(self, answer: bytes) -> None:
        head, _, content = answer.partition(b"\r\n\r\n")
        headers = dict(line.decode().split(": ", 1) for line in head.splitlines())
        self.send_response(int(headers.pop("Status", str(HTTPStatus.OK.value)).split()[0]))
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        return


if __name__ == "__main__":
    Handler.root = Path(sys.argv[1])
    http.server.ThreadingHTTPServer((sys.argv[2], int(sys.argv[3])), Handler).serve_forever()
