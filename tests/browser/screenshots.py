"""Pictures of a page for the docs: by day, by night, on a phone. `make screenshots` calls it.

    python tests/browser/screenshots.py PAGE NAME FOLDER

leaves NAME-light.png, NAME-dark.png and NAME-phone.png in FOLDER.
"""

import sys
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser

from browser import PHONE, Scheme, chromium, opened

SHOTS: Final[dict[str, tuple[Scheme, int, int]]] = {
    "light": ("light", 1120, 1700),
    "dark": ("dark", 1120, 1700),
    "phone": ("light", PHONE, 1700),
}


def shoot(browser: Browser, page: Path, shot: str) -> bytes:
    """The upper part of `page` as PNG."""
    scheme, width, height = SHOTS[shot]
    with opened(browser, page, scheme=scheme, width=width) as seen:
        seen.page.set_viewport_size({"width": width, "height": height})
        return seen.page.screenshot()


def main(page: Path, name: str, folder: Path) -> None:
    """Write all of them."""
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        for shot in SHOTS:
            (folder / f"{name}-{shot}.png").write_bytes(shoot(browser, page, shot))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2], Path(sys.argv[3]))
