"""What the GPU does while the job uses it, asked of NVML twice a second from a thread of its own.

A courtesy to whoever reads the report: where NVML is missing or fails, one line of the log says so,
what was seen until then is kept, and the job goes on.
"""

import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import structlog

from job.record import GpuSampleRecord, GpuUseRecord
from job.stopwatch import Stopwatch

SAMPLE_SECONDS: Final = 0.5
# Five minutes at that; of a longer run each sample stands for as much more time.
MOST_SAMPLES: Final = 600
# A driver that hangs must not keep the process from ending.
LAST_SAMPLE_SECONDS: Final = 2.0
# Bits of nvmlClocksEventReasons: what keeps the clocks lower than they could be under load.
REASONS: Final = {
    0x04: "software power cap",
    0x08: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "power brake",
}
MEASURES: Final = ("utilisation", "memory_bytes", "watts", "sm_clock", "memory_clock", "celsius")

Ask = Callable[[], Any]
log = structlog.get_logger()


@dataclass(frozen=True)
class GpuAddress:
    """By what NVML finds the GPU that torch uses; its own index knows no CUDA_VISIBLE_DEVICES."""

    uuids: tuple[str, ...]
    pci_bus_id: str

    @classmethod
    def of(cls, properties: Any) -> Self:
        """That of a device by its properties; with MIG on, they are those of an instance."""
        place = (properties.pci_domain_id, properties.pci_bus_id, properties.pci_device_id)
        uuids = (f"GPU-{properties.uuid}", f"MIG-{properties.uuid}")
        return cls(uuids, "{:08X}:{:02X}:{:02X}.0".format(*place))


class GpuUse:
    """Samples one GPU from `begin` on; `with` ends it, and begins nothing by itself."""

    def __init__(
        self,
        stopwatch: Stopwatch,
        sample_seconds: float = SAMPLE_SECONDS,
        most_samples: int = MOST_SAMPLES,
    ) -> None:
        """Tell the times of the samples by `stopwatch`."""
        self._stopwatch, self._pause, self._most = stopwatch, sample_seconds, most_samples
        self._samples: list[GpuSampleRecord] = []
        self._name = ""
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take no further sample."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(LAST_SAMPLE_SECONDS)

    def begin(self, properties: Any) -> None:
        """Sample the GPU of `torch.cuda.get_device_properties` until the end."""
        self._thread = threading.Thread(
            target=self._go_on, args=(properties,), name="gpu-use", daemon=True
        )
        self._thread.start()

    def record(self) -> GpuUseRecord | None:
        """What was seen so far; None for nothing."""
        samples = self._samples
        return GpuUseRecord(gpu=self._name, samples=list(samples)) if samples else None

    def _go_on(self, properties: Any) -> None:
        try:
            self._sample(GpuAddress.of(properties))
        except Exception as error:  # noqa: BLE001  # whatever it is, it is not the job's failure
            log.warning("GPU use is not sampled", reason=f"{type(error).__name__}: {error}")

    def _sample(self, address: GpuAddress) -> None:
        import pynvml  # noqa: PLC0415  # it may be missing, and a run on a CPU needs none

        pynvml.nvmlInit()
        try:
            handle = _find(pynvml, address)
            self._name = pynvml.nvmlDeviceGetName(handle)
            self._watch(_questions(pynvml, handle), pynvml)
        finally:
            pynvml.nvmlShutdown()

    def _watch(self, questions: dict[str, Ask], nvml: Any) -> None:
        while not self._ended.is_set():
            answers = {name: _answer(ask, nvml) for name, ask in questions.items()}
            self._keep(_sample_of(answers, self._stopwatch.total))
            self._ended.wait(self._pause)

    def _keep(self, sample: GpuSampleRecord) -> None:
        self._samples = [*self._samples, sample]
        if len(self._samples) > self._most:
            self._samples = halve(self._samples)
            self._pause *= 2


def halve(samples: Sequence[GpuSampleRecord]) -> list[GpuSampleRecord]:
    """Each two neighbours as one: the mean of what they measured, all reasons of both."""
    pairs = itertools.zip_longest(samples[::2], samples[1::2])
    return [first if second is None else _both(first, second) for first, second in pairs]


def _both(first: GpuSampleRecord, second: GpuSampleRecord) -> GpuSampleRecord:
    means = {
        name: _mean([getattr(first, name), getattr(second, name)])
        for name in ("seconds", *MEASURES)
    }
    reasons = dict.fromkeys([*first.throttling, *second.throttling])
    return GpuSampleRecord(**means, throttling=list(reasons))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 3) if known else None


def _find(nvml: Any, address: GpuAddress) -> Any:
    for uuid in address.uuids:
        try:
            return nvml.nvmlDeviceGetHandleByUUID(uuid)
        except (nvml.NVMLError_NotFound, nvml.NVMLError_InvalidArgument):
            continue
    return nvml.nvmlDeviceGetHandleByPciBusId(address.pci_bus_id)


def _questions(nvml: Any, handle: Any) -> dict[str, Ask]:
    """How to ask for each measure, in NVML's units."""
    return {
        "utilisation": lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu,
        "memory_bytes": lambda: nvml.nvmlDeviceGetMemoryInfo(handle).used,
        "watts": lambda: nvml.nvmlDeviceGetPowerUsage(handle),
        "sm_clock": lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM),
        "memory_clock": lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM),
        "celsius": lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),
        # By the name that drivers before 535 know; newer ones know it, too.
        "throttling": lambda: nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle),
    }


def _answer(ask: Ask, nvml: Any) -> int | None:
    """None for what this GPU, or this container, does not tell."""
    try:
        return int(ask())
    except (nvml.NVMLError_NotSupported, nvml.NVMLError_NoPermission):
        return None


def _sample_of(answers: dict[str, int | None], seconds: float) -> GpuSampleRecord:
    bits = answers["throttling"] or 0
    return GpuSampleRecord(
        seconds=round(seconds, 3),
        utilisation=_scaled(answers["utilisation"], 100),
        memory_bytes=answers["memory_bytes"],
        watts=_scaled(answers["watts"], 1000),
        sm_clock=answers["sm_clock"],
        memory_clock=answers["memory_clock"],
        celsius=answers["celsius"],
        throttling=[reason for bit, reason in REASONS.items() if bits & bit],
    )


def _scaled(value: int | None, unit: int) -> float | None:
    return None if value is None else value / unit
