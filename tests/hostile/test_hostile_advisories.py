"""`make lint` fails for a known vulnerability, and says aloud where nobody could be asked."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).with_name("advisories.py")
LOCK = "".join(f"{name}==1.0 --hash=sha256:{'0' * 64}\n" for name in ("sound", "leaky", "later"))
ADVISORY = {
    "id": "PYSEC-1",
    "summary": "leaks",
    "affected": [
        {
            "package": {"name": "leaky", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1"}]}],
        }
    ],
}


@contextmanager
def _service(status: int = 200, **known: dict[str, Any]) -> Iterator[str]:
    """An advisory service on this machine that knows these; its address."""

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = asked["package"]["name"]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps({"vulns": [known[name]]} if name in known else {}).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/query"
        finally:
            server.shutdown()


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """A lock of three packages."""
    path = tmp_path / "requirements.lock"
    path.write_text(LOCK)
    return path


def _audit(lock: Path, address: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(PROGRAM), str(lock), "--osv-url", address]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def test_lock_without_known_vulnerabilities_passes(lock: Path) -> None:
    """It says how many packages were asked about."""
    with _service() as address:
        done = _audit(lock, address)

    assert (done.returncode, done.stdout) == (0, f"{lock}: no known vulnerability in 3 packages\n")


def test_known_vulnerability_fails_with_what_mends_it(lock: Path) -> None:
    """Package, version, advisory and the version that has it no more."""
    with _service(leaky=ADVISORY) as address:
        done = _audit(lock, address)

    assert (done.returncode, done.stdout) == (1, f"{lock}: leaky 1.0: PYSEC-1, mended in 1.1\n")


@pytest.mark.parametrize("answer", ["refused", "forbidden", "unknown"])
def test_nobody_to_ask_is_said_in_one_line_and_is_no_failure(lock: Path, answer: str) -> None:
    """Nobody listens, a proxy forbids it, or the name is not known."""
    with _service(status=403) as forbidding:
        addresses = {
            "refused": "http://127.0.0.1:9/",
            "forbidden": forbidding,
            "unknown": "http://advisories.invalid/",
        }
        done = _audit(lock, addresses[answer])

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{lock} NOT AUDITED: no advisory service can be reached: ")
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize("text", ["sound==1.0\n", "sound>=1.0 --hash=sha256:0\n"])
def test_lock_that_cannot_be_read_fails(lock: Path, text: str) -> None:
    """A lock without digests is not one that nobody could be asked about."""
    lock.write_text(text)
    with _service() as address:
        done = _audit(lock, address)

    assert (done.returncode, done.stdout) == (1, "")
    assert "sound" in done.stderr
