"""The pictures of a GPU's use show what it told, and nothing where it told nothing."""

import io

import pytest
from PIL import Image

from job.report.gpu_pictures import png_files, svg_pictures
from report_records import gpu_sample, gpu_use

SILENT = dict.fromkeys(("utilisation", "watts", "sm_clock", "memory_clock", "celsius"))


def test_every_measure_has_its_picture() -> None:
    """The two clocks share one."""
    assert list(svg_pictures(gpu_use())) == [
        "utilisation",
        "memory",
        "power",
        "clocks",
        "temperature",
    ]


def test_throttling_is_marked_where_the_clocks_are() -> None:
    """And only where there was any."""
    free = gpu_use().model_copy(update={"samples": [gpu_sample(throttling=[])] * 2})

    assert ">throttled</text>" in svg_pictures(gpu_use())["clocks"]
    assert "throttled" not in svg_pictures(free)["clocks"]


def test_only_what_the_gpu_tells_is_drawn() -> None:
    """A GPU that tells its memory alone has one picture, and one that tells nothing none."""
    memory = gpu_use().model_copy(update={"samples": [gpu_sample(**SILENT)]})
    nothing = gpu_use().model_copy(update={"samples": [gpu_sample(**SILENT, memory_bytes=None)]})

    assert list(svg_pictures(memory)) == ["memory"]
    assert svg_pictures(nothing) == {}
    assert png_files(nothing) == png_files(None) == {}


@pytest.mark.parametrize("count", [1, 2, 600])
def test_any_number_of_samples_is_drawn(count: int) -> None:
    """A single sample is a point, and a long run fits the same picture."""
    (png,) = png_files(gpu_use(count)).values()

    with Image.open(io.BytesIO(png)) as picture:
        assert picture.size == (1890, 900)
