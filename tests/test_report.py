"""The report as files."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from job import report
from job.errors import OutputError
from report_records import PREFLIGHT, TEST_IMAGES, full_record, run_record

ROOT = Path(__file__).parent.parent
CONTENT = report.of_record(run_record(), PREFLIGHT)
DIGEST_OF_ALL = """
import hashlib, sys
from job import report
from job.record import RunRecord
record = RunRecord.model_validate_json(sys.stdin.read())
content = report.of_record(record, None)
files = report.render(content).encode() + b"".join(report.plots(content).values())
print(hashlib.sha256(files).hexdigest())
"""


def test_write_leaves_the_page_and_the_plots(tmp_path: Path) -> None:
    """The folder is made, and what is returned is what is there."""
    output_dir = tmp_path / "output"
    written = report.write(run_record(), PREFLIGHT, output_dir)
    names = ["learning-curves.png", "confusion-matrix.png", "per-class.png"]

    assert written == [output_dir / "report.html", *(output_dir / "plots" / n for n in names)]
    assert sorted(written) == sorted(p for p in output_dir.rglob("*") if p.is_file())


def test_files_hold_what_render_and_plots_give(tmp_path: Path) -> None:
    """The page on disk is the page, byte for byte, and so are the pictures."""
    page, *pictures = report.write(run_record(), PREFLIGHT, tmp_path)

    assert page.read_text(encoding="utf-8") == report.render(CONTENT)
    assert {p.name: p.read_bytes() for p in pictures} == report.plots(CONTENT)


def test_second_report_replaces_the_first(tmp_path: Path) -> None:
    """A resumed run writes over the report of the attempt before it."""
    report.write(run_record(history=[]), None, tmp_path)
    page, *_ = report.write(run_record(), PREFLIGHT, tmp_path)

    assert page.read_text(encoding="utf-8") == report.render(CONTENT)


def test_unusable_volume_is_an_output_error(tmp_path: Path) -> None:
    """A path that cannot be a folder ends the job in words."""
    in_the_way = tmp_path / "file"
    in_the_way.touch()

    with pytest.raises(OutputError, match="cannot write"):
        report.write(run_record(), None, in_the_way)


def test_same_record_gives_the_same_bytes_in_another_process() -> None:
    """No date, no random id, no order of a set gets into a report."""
    record = full_record()
    content = report.of_record(record, None)
    files = report.render(content).encode() + b"".join(report.plots(content).values())

    for seed in ("1", "2"):
        seen = _python(DIGEST_OF_ALL, record.model_dump_json(), PYTHONHASHSEED=seed)
        assert seen == hashlib.sha256(files).hexdigest()


def test_run_on_a_gpu_leaves_a_picture_of_it(tmp_path: Path) -> None:
    """It lies beside the others, and a run without samples has none."""
    written = report.write(full_record(), PREFLIGHT, tmp_path, TEST_IMAGES)

    assert tmp_path / "plots" / "gpu-use.png" in written
    assert (tmp_path / "plots" / "gpu-use.png").exists()


def test_importing_the_report_draws_nothing() -> None:
    """A run that never gets to a report does not pay for matplotlib and jinja2."""
    program = "import sys, job.report; print({'matplotlib', 'jinja2', 'PIL'} & set(sys.modules))"

    assert _python(program) == "set()"


def _python(program: str, text: str = "", **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        input=text,
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()
