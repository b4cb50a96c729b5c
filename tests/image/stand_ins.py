"""What stands in where no image can be pulled and no GPU is: a base image and a driver."""

import re
from pathlib import Path
from typing import Final

from engine import Engine

ROOT: Final = Path(__file__).parents[2]
CERTIFICATES: Final = Path("/etc/ssl/certs/ca-certificates.crt")
SUITE: Final = "bookworm"
# A machine behind an inspecting proxy has certificates of its own, which the build needs, too.
TRUST: Final = (
    f'cp {CERTIFICATES} "$1{CERTIFICATES}" && '
    f'printf "[global]\\ncert = {CERTIFICATES}\\n" >"$1/etc/pip.conf"'
)
OPTIONS: Final = (
    "--quiet",
    "--variant=minbase",
    "--mode=root",
    "--include=ca-certificates",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=force-unsafe-io",
    '--aptopt=Acquire::Languages "none"',
    f"--customize-hook={TRUST}",
)


def base_image_name() -> str:
    """The base image that the Dockerfile names."""
    found = re.search(r"^ARG BASE_IMAGE=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    if found is None:
        raise LookupError("the Dockerfile names no BASE_IMAGE")
    return found[1]


def make_base_image(archive: Path) -> Path:
    """A minimal Debian as a tar archive, from the distribution's packages (half a minute)."""
    if not archive.exists():
        unfinished = archive.with_suffix(".part.tar")
        tools = Engine(("mmdebstrap",), {"TMPDIR": str(archive.parent)})
        tools.checked(*OPTIONS, SUITE, unfinished)
        unfinished.rename(archive)
    return archive


def make_driver(folder: Path) -> Path:
    """A folder with the nvidia-smi of one healthy GPU."""
    folder.mkdir(exist_ok=True)
    text = (ROOT / "tests" / "fakes" / "nvidia-smi").read_text()
    program = folder / "nvidia-smi"
    program.write_text(text.replace("set -eu\n", "set -eu\nFAKE_NVIDIA_SMI=healthy\n", 1))
    program.chmod(0o755)
    return folder
