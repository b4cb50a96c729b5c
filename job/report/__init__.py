"""A run as pictures: `report.html` for people, `plots/*.png` for slides.

Importing this package is cheap: drawing costs more than half a second of imports, which a run
pays only once it has something to draw.
"""

# ruff: noqa: PLC0415  # the imports inside functions are the ones that the docstring speaks of

from pathlib import Path
from typing import Any, Final

from job import files
from job.record import RunRecord
from job.report.content import Content, Pixels, of_record

__all__ = [
    "CONFUSION_MATRIX",
    "Content",
    "of_record",
    "plots",
    "render",
    "write",
    "write_content",
]

CONFUSION_MATRIX: Final = "plots/confusion-matrix.png"


def render(content: Content) -> str:
    """One HTML page that loads nothing.

    The same content gives the same text. Parts that are missing leave a note.
    """
    from job.report.page import page

    return page(content)


def plots(content: Content) -> dict[str, bytes]:
    """PNG pictures by file name; the same content gives the same bytes.

    The names are always the same, but for the GPU's picture, which needs samples of one.
    """
    from job.report.pictures import png_files

    return png_files(content)


def write(
    record: RunRecord,
    preflight: dict[str, Any] | None,
    output_dir: Path,
    test_images: Pixels | None = None,
) -> list[Path]:
    """Write the report of a finished run below `output_dir`, as `write_content` does.

    `preflight` is the content of `preflight.json`; `test_images` (N, H, W) or (N, C, H, W) uint8
    show the mistakes.
    """
    return write_content(of_record(record, preflight, test_images), output_dir)


def write_content(content: Content, folder: Path) -> list[Path]:
    """Write `report.html` and `plots/*.png` below `folder` and return their paths.

    Raises `OutputError` if the volume cannot take them.
    """
    contents = {
        folder / "report.html": render(content).encode(),
        **{folder / "plots" / name: png for name, png in plots(content).items()},
    }
    files.make_folder(folder / "plots")
    for path, data in contents.items():
        files.write_bytes(path, data)
    return list(contents)
