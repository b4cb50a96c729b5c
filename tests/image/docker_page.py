"""What docs/docker.md shows to be typed, so that the tests run the very lines."""

import re
from typing import Final

from stand_ins import ROOT

TEXT: Final = (ROOT / "docs" / "docker.md").read_text()
RESTRICTED: Final = re.compile(r"^## Trust nobody\n\n```sh\n(.+?)^```$", re.MULTILINE | re.DOTALL)
# A line that mounts nothing, what stands behind the image's name, and a comment.
SHORT: Final = re.compile(
    r"^(docker run --rm (?:--gpus all )?fashion-mnist-job:\S+ (.+?))  +#", re.MULTILINE
)


def restricted_lines() -> str:
    """The block for a cluster that trusts nobody."""
    (lines,) = RESTRICTED.findall(TEXT)
    return str(lines)


def short_lines() -> dict[str, str]:
    """The lines that mount nothing, by what they run in the image."""
    return {command: line for line, command in SHORT.findall(TEXT)}
