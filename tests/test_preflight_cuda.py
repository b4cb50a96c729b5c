"""Claims about `job.preflight.cuda`: what computes is tried on the CPU."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from job.preflight import cuda
from job.preflight.cuda import CudaDevice

CPU = torch.device("cpu")


def test_start_finds_gpus_or_fails_in_a_known_way() -> None:
    """Torch's own words for the lack of a GPU are known, here as on a node with one."""
    try:
        assert cuda.start()
    except (RuntimeError, AssertionError) as error:
        assert cuda.trouble_in(str(error)) in cuda.NO_CUDA  # noqa: PT017  # only without a GPU


def test_device_is_described_by_its_properties() -> None:
    """Index, name, UUID and capability are torch's."""
    properties = SimpleNamespace(major=9, minor=0, name="NVIDIA H100", uuid="0-1")
    expected = CudaDevice(torch.device("cuda:1"), "NVIDIA H100", "0-1", (9, 0))
    assert CudaDevice.of(1, properties) == expected


@pytest.mark.parametrize(
    ("message", "word", "gpu_is_there"),
    [
        ("Torch not compiled with CUDA enabled", "wheel", False),
        ("Found no NVIDIA driver on your system. Please check", "--gpus all", False),
        ("No CUDA GPUs are available", "CUDA_VISIBLE_DEVICES", False),
        ("The NVIDIA driver on your system is too old (found version 11040).", "newer", True),
        ("Error 802: system not yet initialized", "fabricmanager", True),
        ("Error 803: system has unsupported display driver", "reload", True),
        ("Error 804: forward compatibility was attempted on non supported HW", "compat", True),
        ("CUDA error: all CUDA-capable devices are busy or unavailable", "exclusive", True),
        ("CUDA error: out of memory", "memory", True),
        ("CUDA unknown error - this may be due to", "Xid", True),
    ],
)
def test_each_trouble_has_its_own_remedy(message: str, word: str, gpu_is_there: bool) -> None:
    """Torch's text leads to what to do, and to whether there is a GPU at all."""
    trouble = cuda.trouble_in(message)
    assert word in trouble.remedy
    assert trouble.gpu_is_there == gpu_is_there


def test_devices_are_named_with_the_wheel() -> None:
    """A MIG instance is seen by its name."""
    name = "NVIDIA H100 80GB HBM3 MIG 1g.10gb"
    finding = cuda.judge_devices((CudaDevice(torch.device("cuda:0"), name, "", (9, 0)),))
    assert finding.verdict == "pass"
    assert f"cuda:0: {name}" in finding.seen
    assert torch.__version__ in finding.seen


@pytest.mark.parametrize(
    ("is_built", "is_available", "verdict"),
    [(True, True, "pass"), (True, False, "fail"), (False, False, "fail")],
)
def test_metal_is_judged_by_what_torch_says(
    is_built: bool, is_available: bool, verdict: str
) -> None:
    """A wheel without Metal and a Mac without it are told apart."""
    finding = cuda.judge_mps(is_built=is_built, is_available=is_available)
    assert finding.verdict == verdict
    assert ("built without" in finding.seen) == (not is_built)


@pytest.mark.parametrize(
    ("visible", "wanted", "verdict"),
    [(2, "auto", "pass"), (2, 2, "pass"), (1, 2, "fail"), (4, 2, "warn")],
)
def test_visible_gpus_are_compared_with_the_processes(
    visible: int, wanted: int, verdict: str
) -> None:
    """Too few GPUs fail, idle ones warn."""
    assert cuda.judge_count(visible, wanted).verdict == verdict


@pytest.mark.parametrize(
    ("capability", "built_for", "verdict"),
    [
        ((9, 0), ["sm_80", "sm_90"], "pass"),
        ((8, 6), ["sm_80"], "pass"),
        ((8, 0), ["sm_86"], "fail"),
        ((9, 0), ["sm_80"], "fail"),
        ((9, 0), ["sm_90a"], "pass"),
        ((10, 3), ["sm_100a"], "fail"),
        ((10, 3), ["sm_100f"], "pass"),
        ((12, 0), ["sm_90", "compute_90"], "pass"),
        ((7, 0), ["sm_75", "compute_75"], "fail"),
        ((10, 0), ["sm_100", "sm_120"], "pass"),
    ],
)
def test_kernels_fit_by_the_rules_of_cuda(
    capability: tuple[int, int], built_for: list[str], verdict: str
) -> None:
    """Binaries run on later minors of their major, PTX on all that is later."""
    assert cuda.judge_kernels(capability, built_for).verdict == verdict


def test_ptx_is_told_apart_from_binaries() -> None:
    """Who waits for the first step is told why."""
    assert "PTX" in cuda.judge_kernels((12, 0), ["compute_90"]).seen
    assert "PTX" not in cuda.judge_kernels((9, 0), ["sm_90", "compute_90"]).seen


def test_product_equals_the_cpus_in_every_number() -> None:
    """The comparison is exact, at any precision of the products."""
    finding = cuda.check_product(CPU)
    assert (finding.verdict, finding.seen) == ("pass", "1024 x 1024 in fp32 equals the CPU's")


def test_product_leaves_the_random_numbers_of_the_job_alone() -> None:
    """A run with a preflight has the weights of a run without one."""
    before = torch.get_rng_state()
    cuda.check_product(CPU)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("wrong", [1.0, float("nan"), float("inf")])
def test_one_wrong_number_fails(wrong: float) -> None:
    """A single wrong element of a product is a fault of the hardware."""
    expected = torch.zeros(4, 4)
    actual = expected.clone()
    actual[2, 1] = wrong
    finding = cuda.judge_product(actual, expected)
    assert finding.verdict == "fail"
    assert finding.seen.startswith("1 of 16 numbers differ")


def test_copies_are_measured_in_both_directions() -> None:
    """The words hold two rates in GB/s, both above nothing."""
    finding = cuda.check_copies(CPU)
    upward, downward = (float(part.split()[0]) for part in finding.seen.split(", "))
    assert upward > 0
    assert downward > 0
    assert "GB/s" in finding.seen


@pytest.mark.parametrize(
    ("upward", "downward", "verdict"),
    [(25.0, 25.0, "pass"), (0.8, 25.0, "warn"), (25.0, 0.8, "warn")],
)
def test_narrow_link_warns(upward: float, downward: float, verdict: str) -> None:
    """Either direction can be the slow one."""
    assert cuda.judge_copies(upward, downward).verdict == verdict


def test_mapped_libcuda_is_read_once_per_path(tmp_path: Path) -> None:
    """All segments of a library are one line, other libraries none."""
    maps = tmp_path / "maps"
    own = "/usr/lib/x86_64-linux-gnu/libcuda.so.580.95.05"
    maps.write_text(
        f"7f00-7f10 r--p 00000000 00:2f 123    {own}\n"
        f"7f10-7f20 r-xp 00010000 00:2f 123    {own}\n"
        "7f20-7f30 r-xp 00010000 00:2f 124    /usr/lib/libcudart.so.13\n"
        "7f30-7f40 rw-p 00000000 00:00 0\n"
    )
    assert cuda.mapped_libcuda(maps) == [own]
    assert cuda.judge_libcuda([own]).verdict == "pass"


def test_no_list_of_mappings_is_no_libcuda(tmp_path: Path) -> None:
    """A system without `/proc` has the check skipped."""
    assert cuda.mapped_libcuda(tmp_path / "none") == []
    assert cuda.judge_libcuda([]).verdict == "skip"


def test_compat_libcuda_warns_of_error_804() -> None:
    """Forward compatibility works on some GPUs only."""
    finding = cuda.judge_libcuda(["/usr/local/cuda/compat/libcuda.so.1"])
    assert finding.verdict == "warn"
    assert "804" in finding.remedy
