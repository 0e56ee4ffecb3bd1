"""A stand-in for the API server in unit tests: objects by path, answers by status. tests/cluster/ asks the real one the same."""

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import yaml


class JsonHandler(BaseHTTPRequestHandler):
    """Answers in JSON, or with bytes as they are, and logs nothing."""

    def answer(self, status, data):
        raw = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_):
        return


def started(handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    """A server on a free port of loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@dataclass
class ApiServer:
    """`objects` maps an API path to what a GET of it answers; `refuses` maps a path to a status and a message."""

    objects: dict = field(default_factory=dict)
    refuses: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)
    patched: list = field(default_factory=list)
    deleted: list = field(default_factory=list)
    port: int = 0

    def put(self, kind, namespace: str, *things: dict) -> None:
        self.objects[f"{kind.path}/namespaces/{namespace}/{kind.plural}"] = {"items": list(things)}

    def kubeconfig(self, folder: Path) -> Path:
        path = folder / "kubeconfig"
        server = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}
        context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
        body = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "clusters": [server],
            "contexts": [context],
        }
        path.write_text(yaml.safe_dump({**body, "users": [{"name": "u", "user": {"token": "t"}}]}))
        return path


def serve(api: ApiServer) -> ThreadingHTTPServer:
    class Handler(JsonHandler):
        def do_GET(self):
            url = urlsplit(self.path)
            api.asked.append((url.path, parse_qs(url.query)))
            if url.path in api.refuses:
                status, message = api.refuses[url.path]
                self.answer(status, {"message": message})
            elif url.path in api.objects:
                self.answer(200, api.objects[url.path])
            else:
                self.answer(404, {"message": "the server could not find the requested resource"})

        def do_DELETE(self):
            api.deleted.append(self.path)
            self.answer(200, {})

        def do_PATCH(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            api.patched.append((self.path, self.headers["Content-Type"], body))
            self.answer(200, {})

    server = started(Handler)
    api.port = server.server_address[1]
    return server
