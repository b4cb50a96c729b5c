"""Claims about `job.preflight.health`."""

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from job.preflight.health import REMEDIES, judge_answer, judge_driver, judge_gpu
from job.preflight.nvidia_smi import Failure, Gpu, Report

PAGE = Path(__file__).parents[1] / "docs" / "preflight.md"
GPU = Gpu(
    index=3,
    name="NVIDIA H100",
    uuid="GPU-1",
    driver="580.95.05",
    memory_total_mib=80000,
    memory_used_mib=1,
    ecc="Enabled",
    uncorrected_errors=0,
    mig="Disabled",
    temperature_celsius=31,
    power_watts=69,
    slowdowns=(),
    faults=(),
)


def test_answer_with_gpus_passes_and_names_them() -> None:
    """The driver, its CUDA version and each GPU are in the words."""
    finding = judge_answer(Report((GPU,), driver_cuda="13.0"))
    assert finding.verdict == "pass"
    assert finding.seen == "driver 580.95.05, CUDA up to 13.0; 3: NVIDIA H100"


@pytest.mark.parametrize("failure", get_args(Failure))
def test_each_failure_has_a_remedy_and_stands_on_the_page(failure: Failure) -> None:
    """A failure without a remedy, or one that the page does not explain, is unfinished."""
    finding = judge_answer(Report(failure=failure, said="its words"))
    assert (finding.verdict, finding.seen) == ("fail", f"{failure}: its words")
    assert finding.remedy == REMEDIES[failure]
    assert f"| {failure} |" in PAGE.read_text()


@pytest.mark.parametrize("failure", ["missing", "no devices", "no library"])
def test_remedy_for_a_container_without_a_gpu_names_both_engines(failure: Failure) -> None:
    """`--gpus all` is taken and ignored by podman 4, so that has a flag of its own."""
    row = next(line for line in PAGE.read_text().splitlines() if line.startswith(f"| {failure} |"))

    for flag in ("--gpus all", "--device nvidia.com/gpu=all"):
        assert flag in REMEDIES[failure]
        assert flag in row or row.endswith("| the same |")


@pytest.mark.parametrize(
    ("driver", "wheel", "verdict"),
    [
        ("580.65.06", "13.0", "pass"),
        ("579.99", "13.0", "fail"),
        ("610.57.04", "12.8", "pass"),
        ("525.60.13", "12.8", "pass"),
        ("524.0", "12.8", "fail"),
        ("450.80.02", "11.8", "pass"),
        ("449.0", "11.8", "fail"),
        ("610.57.04", "14.0", "warn"),
        ("580.65.06", None, "skip"),
        (None, "13.0", "skip"),
    ],
)
def test_driver_is_compared_with_the_wheels_cuda(
    driver: str | None, wheel: str | None, verdict: str
) -> None:
    """Drivers run any CUDA of a major version from NVIDIA's least driver on."""
    assert judge_driver(driver, wheel).verdict == verdict


def test_remedy_names_a_driver_and_a_wheel_that_would_do() -> None:
    """Either side may be changed; a wheel is named only if there is one."""
    assert judge_driver("535.1", "13.0").remedy == (
        "install driver 580 or newer on the node, or a torch wheel built for CUDA 12"
    )
    assert judge_driver("390.1", "13.0").remedy == "install driver 580 or newer on the node"


def test_driver_version_without_digits_counts_as_old() -> None:
    """What cannot be read is not taken for new."""
    assert judge_driver("unknown", "13.0").verdict == "fail"


def test_sound_gpu_passes_and_shows_its_state() -> None:
    """Memory, temperature, power, ECC and MIG are in the words."""
    finding = judge_gpu(GPU)
    assert finding.verdict == "pass"
    for fact in ("80000 MiB", "31 °C", "69 W", "ECC Enabled", "MIG Disabled"):
        assert fact in finding.seen


@pytest.mark.parametrize(
    ("gpu", "verdict", "word"),
    [
        (replace(GPU, uncorrected_errors=2), "fail", "2 uncorrected errors"),
        (replace(GPU, faults=("[GPU requires reset]",)), "fail", "[GPU requires reset]"),
        (replace(GPU, slowdowns=("power brake",)), "warn", "power brake"),
        (replace(GPU, memory_used_mib=79000), "warn", "79000 MiB used"),
    ],
)
def test_ailing_gpu_is_judged_by_what_it_costs(gpu: Gpu, verdict: str, word: str) -> None:
    """What may spoil a run fails, what only slows it warns, and both have a remedy."""
    finding = judge_gpu(gpu)
    assert finding.verdict == verdict
    assert word in finding.seen
    assert finding.remedy


def test_gpu_that_tells_little_passes() -> None:
    """What a GPU does not tell is left out and not held against it."""
    silent = replace(GPU, memory_total_mib=None, memory_used_mib=None, ecc=None, power_watts=None)
    finding = judge_gpu(silent)
    assert finding.verdict == "pass"
    assert "MiB" not in finding.seen
    assert "None" not in finding.seen
