"""Claims about `job.gpu_use`, with a libnvidia-ml.so.1 that is compiled here and strict."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

from job.gpu_use import GpuAddress, GpuUse, halve
from job.record import GpuSampleRecord
from job.stopwatch import Stopwatch

TESTS: Final = Path(__file__).parent
SECOND_GPU: Final = "00000001-aaaa-bbbb-cccc-0123456789ab"
NO_GPU: Final = "deadbeef-aaaa-bbbb-cccc-0123456789ab"

# In a process of its own, whose loader finds the fake. It waits for samples, for the thread to end,
# or for the limit, because two cores that others use tell no time.
PROGRAM: Final = """
import json, sys, time
from types import SimpleNamespace
from job import logs
from job.gpu_use import GpuUse
from job.stopwatch import Stopwatch

logs.configure("json", "info")
uuid, bus, wanted, limit, most = sys.argv[1:]
properties = SimpleNamespace(uuid=uuid, pci_domain_id=0, pci_bus_id=int(bus), pci_device_id=0)
with GpuUse(Stopwatch(), 0.01, int(most)) as use:
    use.begin(properties)
    while use._thread.is_alive() and not use._name:
        time.sleep(0.005)
    deadline = time.monotonic() + float(limit)
    while use._thread.is_alive() and time.monotonic() < deadline:
        if len(use._samples) >= int(wanted):
            break
        time.sleep(0.005)
    began = time.monotonic()
record = use.record()
ended = time.monotonic() - began
print(json.dumps({"record": record and record.model_dump(), "ended": ended}))
"""


@pytest.fixture(scope="session")
def library_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the fake library."""
    folder = tmp_path_factory.mktemp("nvml")
    source, library = TESTS / "fakes" / "nvml.c", folder / "libnvidia-ml.so.1"
    strict = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run(["cc", *strict, "-o", str(library), str(source)], check=True)
    return folder


def sampled(
    library_dir: Path | None,
    scenario: str = "",
    *,
    device: tuple[str, int] = (SECOND_GPU, 0),
    limits: tuple[int, float, int] = (4, 30, 600),
) -> tuple[dict[str, Any], str]:
    """What the program prints, and its log.

    `limits` are the samples that it waits for, the seconds that it waits, and the samples it keeps.
    """
    environment = {**os.environ, "FAKE_NVML": scenario, "PYTHONPATH": str(TESTS.parent)}
    environment["LD_LIBRARY_PATH"] = str(library_dir or "")
    arguments = [*map(str, (*device, *limits))]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout), done.stderr


def test_samples_are_of_the_gpu_that_torch_uses(library_dir: Path) -> None:
    """It is found by its UUID: an index would be another GPU's under CUDA_VISIBLE_DEVICES."""
    seen, log = sampled(library_dir)
    samples = seen["record"]["samples"]

    assert seen["record"]["gpu"] == "Fake GPU 1"
    assert len(samples) > 3
    assert samples[0] | {"seconds": 0} == {
        "seconds": 0,
        "utilisation": 0.87,
        "memory_bytes": 1e9,
        "watts": 345.6,
        "sm_clock": 1980,
        "memory_clock": 2619,
        "celsius": 54,
        "throttling": [],
    }
    assert log == ""


def test_gpu_without_a_known_uuid_is_found_by_its_place_on_the_bus(library_dir: Path) -> None:
    """The number of the bus is written as NVML writes it."""
    seen, _ = sampled(library_dir, device=(NO_GPU, 0x19))

    assert seen["record"]["gpu"] == "Fake GPU 0"


def test_times_are_those_of_the_process_and_grow(library_dir: Path) -> None:
    """A sample can be laid beside the phases of the record."""
    seen, _ = sampled(library_dir)
    times = [sample["seconds"] for sample in seen["record"]["samples"]]

    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] < 10


def test_reasons_of_throttling_are_said_in_words(library_dir: Path) -> None:
    """An idle GPU is none of them."""
    seen, _ = sampled(library_dir, "throttled")

    for sample in seen["record"]["samples"]:
        assert sample["throttling"] == ["software power cap", "hardware thermal slowdown"]


def test_what_a_gpu_does_not_tell_is_left_out(library_dir: Path) -> None:
    """No power meter costs the watts, and nothing else."""
    seen, log = sampled(library_dir, "no-power")
    sample = seen["record"]["samples"][0]

    assert (sample["watts"], sample["utilisation"]) == (None, 0.87)
    assert log == ""


@pytest.mark.parametrize(
    ("scenario", "uuid", "reason"),
    [
        ("no-driver", SECOND_GPU, "DriverNotLoaded: Driver Not Loaded"),
        ("", NO_GPU, "NotFound: Not Found"),
    ],
)
def test_nvml_that_refuses_costs_one_line_of_the_log(
    library_dir: Path, scenario: str, uuid: str, reason: str
) -> None:
    """There are no samples, and the process ends as it would have."""
    seen, log = sampled(library_dir, scenario, device=(uuid, 0))

    assert seen["record"] is None
    assert len(log.splitlines()) == 1
    assert f"NVMLError_{reason}" in log


def test_missing_library_costs_one_line_of_the_log() -> None:
    """A node without a driver, or a container without its library, trains all the same."""
    seen, log = sampled(None)

    assert seen["record"] is None
    assert "NVML Shared Library Not Found" in json.loads(log)["reason"]


def test_missing_package_costs_one_line_of_the_log(library_dir: Path, tmp_path: Path) -> None:
    """The job does without nvidia-ml-py."""
    (tmp_path / "pynvml.py").write_text('raise ModuleNotFoundError("No module named pynvml")')
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{PROGRAM}"
    environment = {**os.environ, "LD_LIBRARY_PATH": str(library_dir)}
    command = [sys.executable, "-c", program, SECOND_GPU, "0", "4", "30", "600"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)

    assert json.loads(done.stdout)["record"] is None
    assert json.loads(done.stderr)["reason"] == "ModuleNotFoundError: No module named pynvml"


def test_gpu_that_falls_off_the_bus_leaves_what_was_seen(library_dir: Path) -> None:
    """Three samples were whole; the fourth is one line of the log."""
    seen, log = sampled(library_dir, "lost")

    assert len(seen["record"]["samples"]) == 3
    assert "GPU is lost" in json.loads(log)["reason"]


def test_driver_that_hangs_does_not_keep_the_process(library_dir: Path) -> None:
    """The end waits two seconds for it, and no longer."""
    seen, _ = sampled(library_dir, "hang", limits=(4, 1, 600))

    assert seen["record"] is None
    assert seen["ended"] < 4


def test_long_run_keeps_fewer_samples_rather_than_more_memory(library_dir: Path) -> None:
    """The whole run is covered all the same, ever more coarsely."""
    seen, _ = sampled(library_dir, limits=(1000, 3, 8))
    times = [sample["seconds"] for sample in seen["record"]["samples"]]

    assert 4 <= len(times) <= 8
    assert times[-1] - times[0] > 1


def test_halving_keeps_means_and_all_reasons() -> None:
    """What two samples measured is one sample's mean; one left over stays as it is."""
    samples = [_sample(1, 0.2, ["a"]), _sample(2, 0.6, ["b", "a"]), _sample(3, None, [])]

    first, second = halve(samples)
    assert (first.seconds, first.utilisation, first.throttling) == (1.5, 0.4, ["a", "b"])
    assert second == samples[2]


def test_what_one_of_two_does_not_tell_the_other_does() -> None:
    """A gap is not counted as nought."""
    (both,) = halve([_sample(1, None, []), _sample(2, 0.6, [])])

    assert both.utilisation == 0.6
    assert both.watts is None


def test_nothing_begun_is_nothing_recorded() -> None:
    """A run on a CPU has no samples, no thread, and no line of the log."""
    with GpuUse(Stopwatch()) as use:
        assert use.record() is None


def test_address_is_written_as_nvml_writes_it() -> None:
    """Torch leaves out what NVML puts in front of a UUID, and counts the bus in decimals."""
    device = SimpleNamespace(uuid="a-b", pci_domain_id=0, pci_bus_id=59, pci_device_id=1)

    assert GpuAddress.of(device) == GpuAddress(("GPU-a-b", "MIG-a-b"), "00000000:3B:01.0")


def _sample(seconds: float, utilisation: float | None, reasons: list[str]) -> GpuSampleRecord:
    return GpuSampleRecord(
        seconds=seconds,
        utilisation=utilisation,
        memory_bytes=None,
        watts=None,
        sm_clock=None,
        memory_clock=None,
        celsius=None,
        throttling=reasons,
    )
