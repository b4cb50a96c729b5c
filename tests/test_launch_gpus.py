"""Claims about `job.launch.gpus`."""

from dataclasses import replace

import pytest

from job.launch.gpus import count_visible
from job.preflight.nvidia_smi import Gpu, Report

GPU = Gpu(0, "H100", "GPU-aa0", "580", None, None, None, None, "Disabled", None, None, (), ())
FOUR = tuple(replace(GPU, index=index, uuid=f"GPU-aa{index}") for index in range(4))


def count(listed: str | None, gpus: tuple[Gpu, ...] = FOUR) -> int:
    """What is counted on a node with these."""
    return count_visible(listed, lambda: Report(gpus))


def test_without_a_list_all_are_visible() -> None:
    """As nvidia-smi lists them, in a container only those that were mounted."""
    assert count(None) == 4
    assert count(None, ()) == 0


@pytest.mark.parametrize(
    ("listed", "visible"),
    [
        ("0,1", 2),
        ("3, 1,2", 3),
        ("0,1,2,3", 4),
        ("0,7,1", 1),
        ("7,0", 0),
        ("0,-1,1", 1),
        ("0,0", 0),
        ("GPU-aa1,GPU-aa3", 2),
        ("GPU-aa,0", 0),
        ("MIG-x,MIG-y", 0),
    ],
)
def test_list_is_read_as_cuda_reads_it(listed: str, visible: int) -> None:
    """A name that is no GPU hides those after it, one given twice hides all."""
    assert count(listed) == visible


@pytest.mark.parametrize(("listed", "visible"), [("", 0), ("-1", 0), ("2", 1), ("MIG-x", 1)])
def test_one_gpu_at_most_needs_no_question(listed: str, visible: int) -> None:
    """nvidia-smi takes a second where the driver is not kept loaded."""

    def ask() -> Report:
        raise AssertionError

    assert count_visible(listed, ask) == visible


def test_list_without_gpus_counts_none() -> None:
    """Slurm may name GPUs that only it believes in."""
    assert count("0,1", ()) == 0


def test_mig_is_one_device() -> None:
    """CUDA shows a process a single instance, however many there are."""
    assert count(None, (*FOUR[:3], replace(FOUR[3], mig="Enabled"))) == 1


def test_nvidia_smi_is_what_is_asked(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Of a node with two GPUs, and of one whose driver does not answer as it should."""
    monkeypatch.setenv("PATH", str(request.path.parent / "fakes"), prepend=":")
    monkeypatch.setenv("FAKE_NVIDIA_SMI", "two-gpus")
    assert count_visible(None) == 2

    monkeypatch.setenv("FAKE_NVIDIA_SMI", "no-driver")
    assert count_visible(None) == 0
