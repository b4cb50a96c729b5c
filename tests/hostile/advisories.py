"""Asks an advisory service about every package of a lock, and says so where none can be reached.

    python tests/hostile/advisories.py LOCK [options of pip-audit]

Ends in 1 for a known vulnerability, and for a lock that cannot be read. That nobody answers is no
fault of the lock: one line says that nothing was asked, and the exit code is 0.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

PROGRAM: Final = Path(sys.executable).with_name("pip-audit")
# The lock is all there is to know, so no index is asked; an advisory service is.
OPTIONS: Final = (
    *("--vulnerability-service", "osv", "--require-hashes", "--disable-pip"),
    *("--format", "json", "--progress-spinner", "off"),
)
# How pip-audit ends if nobody answers, or somebody in between does.
SILENCE: Final = ("requests.exceptions.", "ServiceError", "Could not connect")


def main(arguments: list[str]) -> int:
    """Print the verdict on the lock and return the exit code."""
    lock, *options = arguments
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        places = ("--output", str(report), "--cache-dir", folder, "--requirement", lock)
        command = [str(PROGRAM), *OPTIONS, *places, *options]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if report.exists():
            return _tell(lock, json.loads(report.read_text())["dependencies"])
    last = done.stderr.strip().splitlines()[-1]
    if any(word in done.stderr for word in SILENCE):
        sys.stdout.write(f"{lock} NOT AUDITED: no advisory service can be reached: {last:.100}\n")
        return 0
    sys.stderr.write(done.stderr)
    return 1


def _tell(lock: str, packages: list[dict[str, Any]]) -> int:
    known = [
        f"{package['name']} {package['version']}: {advisory['id']}, "
        f"mended in {', '.join(advisory['fix_versions']) or 'no version'}"
        for package in packages
        for advisory in package.get("vulns", [])
    ]
    told = "\n".join(known) or f"no known vulnerability in {len(packages)} packages"
    sys.stdout.write(f"{lock}: {told}\n")
    return int(bool(known))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
