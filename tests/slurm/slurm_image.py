"""A folder that Charliecloud runs as an image, in the shape that the Dockerfile gives to one.

It stands in for the real image, whose base cannot be pulled everywhere: the root of this machine,
overlaid with what the image has besides. It is mounted on the virtual hosts, and there alone.
"""

import shlex
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
NAME: Final = "image"
VENV: Final = Path("/opt/venv")
PACKAGES: Final = Path(sysconfig.get_path("purelib"))


def image_mounts(folder: Path, clone: Path, readable: Sequence[Path]) -> list[str]:
    """Lines of shell that mount the image at `folder`/image, with the job of a clone in it."""
    image, layer = folder / NAME, folder / "image-layer"
    for each in (image, layer):
        each.mkdir()
    places = {path: path for path in readable if path != PACKAGES}
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
