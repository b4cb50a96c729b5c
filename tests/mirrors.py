"""A mirror of the dataset on 127.0.0.1 that can be told to fail in every way that mirrors do."""

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SILENT_SECONDS = 30.0


class Mirror(ThreadingHTTPServer):
    """Serves the files of a folder on 127.0.0.1, counts the requests, and fails as it is told."""

    def __init__(self, folder: Path) -> None:
        """Bind to a free port; `serve_forever` serves."""
        super().__init__(("127.0.0.1", 0), _MirrorHandler)
        self.folder = folder
        self.requests: Counter[str] = Counter()
        self.replaced: dict[str, bytes] = {}
        self.delay_seconds = 0.0
        self.silent_after: dict[str, int] = {}
        self.dripping: set[str] = set()
        self.released = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are what some tests are about; nothing needs to be printed."""

    @property
    def address(self) -> str:
        """The address that `fetch` takes."""
        return f"http://127.0.0.1:{self.server_port}/"


class _MirrorHandler(BaseHTTPRequestHandler):
    server: Mirror

    def do_GET(self) -> None:
        name = self.path.removeprefix("/")
        self.server.requests[name] += 1
        path = self.server.folder / name
        if not path.exists():
            self.send_error(404)
            return
        self._send(name, self.server.replaced.get(name, path.read_bytes()))

    def _send(self, name: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.server.released.wait(self.server.delay_seconds)
        if name in self.server.dripping:
            self._drip(body)
        elif name in self.server.silent_after:
            self.wfile.write(body[: self.server.silent_after[name]])
            self.server.released.wait(SILENT_SECONDS)
        else:
            self.wfile.write(body)

    def _drip(self, body: bytes) -> None:
        for position in range(500):
            self.wfile.write(body[position : position + 1])
            self.server.released.wait(0.02)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing; the tests look at the count."""
