"""The same record as pictures: `report.html` for people, `plots/*.png` for slides.

Importing this package is cheap: drawing costs more than half a second of imports, which a run
pays only once it has something to draw.
"""

# ruff: noqa: PLC0415  # the imports inside functions are the ones that the docstring speaks of

from pathlib import Path
from typing import Any, Final

from job import files
from job.record import RunRecord

__all__ = ["CONFUSION_MATRIX", "plots", "render", "write"]

CONFUSION_MATRIX: Final = "plots/confusion-matrix.png"


def render(record: RunRecord, preflight: dict[str, Any] | None) -> str:
    """One HTML page that loads nothing; `preflight` is the content of `preflight.json`.

    The same record gives the same text. Parts that are missing leave a note.
    """
    from job.report.page import page

    return page(record, preflight)


def plots(record: RunRecord) -> dict[str, bytes]:
    """PNG pictures by file name, always the same names; the same record gives the same bytes."""
    from job.report.pictures import png_files

    return png_files(record)


def write(record: RunRecord, preflight: dict[str, Any] | None, output_dir: Path) -> list[Path]:
    """Write `report.html` and `plots/*.png` below `output_dir` and return their paths.

    Raises `OutputError` if the volume cannot take them.
    """
    contents = {
        output_dir / "report.html": render(record, preflight).encode(),
        **{output_dir / "plots" / name: png for name, png in plots(record).items()},
    }
    files.make_folder(output_dir / "plots")
    for path, content in contents.items():
        files.write_bytes(path, content)
    return list(contents)
