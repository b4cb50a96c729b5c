"""A folder that Charliecloud runs as an image, mounted on the virtual hosts, and there alone.

`stand_in` has the shape that the Dockerfile gives to the image, whose base cannot be pulled
everywhere: the root of this machine, overlaid with what the image has besides. `unpacked` is one
that was built.
"""

import shlex
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Final

from slurm_cluster import PYTHON

ROOT: Final = Path(__file__).parents[2]
NAME: Final = "image"
VENV: Final = Path("/opt/venv")
PACKAGES: Final = Path(sysconfig.get_path("purelib"))

# Of the cluster's folder and of a clone of the project: lines of shell that mount an image.
Mount = Callable[[Path, Path], list[str]]


def unpacked(root: Path) -> Mount:
    """Mounts what is the root file system of an image at `folder`/image."""

    def mount(folder: Path, _clone: Path) -> list[str]:
        (folder / NAME).mkdir()
        return [_line("mount", "--rbind", root, folder / NAME)]

    return mount


def stand_in(folder: Path, clone: Path) -> list[str]:
    """Lines of shell that mount the image at `folder`/image, with the job of a clone in it."""
    image, layer = folder / NAME, folder / "image-layer"
    for each in (image, layer):
        each.mkdir()
    places = {path: path for path in PYTHON if path != PACKAGES}
    places |= {clone: Path("/app"), clone / ".venv": VENV}
    # Where the clone's venv points to may lie below /tmp, which Charliecloud hides.
    places[PACKAGES] = VENV / PACKAGES.relative_to(sys.prefix)
    inside = [_inside(layer, each) for each in (*places.values(), Path("/output"))]
    return [
        # A lower layer may not lie within another one, so it has a file system of its own.
        _line("mount", "-t", "tmpfs", "-o", "mode=755", "layer", layer),
        _line("mkdir", "-p", *inside),
        _line("cp", ROOT / "entrypoint.sh", layer),
        _line("mount", "-t", "overlay", "-o", f"lowerdir={layer}:/", "overlay", image),
        *(_line("mount", "--bind", path, _inside(image, places[path])) for path in places),
    ]


def _inside(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")


def _line(*words: str | Path) -> str:
    return shlex.join(map(str, words))
