"""What nvidia-smi says of each GPU, or which of its known ways to fail it took.

Read from the CSV of `--query-gpu`; the CUDA version that the driver supports is no field of it and
is read from the head of `-q`, which drivers since 610 word differently.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal

Failure = Literal[
    "missing",
    "no devices",
    "mismatch",
    "no driver",
    "no library",
    "no permission",
    "detached",
    "lost gpu",
    "hang",
    "unreadable",
    "other",
]
Answer = tuple[int, str]

SECONDS: Final = 5.0
REAP_SECONDS: Final = 0.5
SLOWDOWNS: Final = "clocks_event_reasons.active"
OLDER_SLOWDOWNS: Final = "clocks_throttle_reasons.active"  # its name before driver 535
FIELDS: Final = (
    "index",
    "name",
    "uuid",
    "driver_version",
    "memory.total",
    "memory.used",
    "ecc.mode.current",
    "ecc.errors.uncorrected.volatile.total",
    "mig.mode.current",
    "temperature.gpu",
    "power.draw",
    SLOWDOWNS,
)
TEXTS: Final[tuple[tuple[str, Failure], ...]] = (
    ("no devices were found", "no devices"),
    ("driver/library version mismatch", "mismatch"),
    ("couldn't communicate with the nvidia driver", "no driver"),
    ("couldn't find libnvidia-ml", "no library"),
    ("insufficient permissions", "no permission"),
    ("failed to initialize nvml: unknown error", "detached"),
    ("unable to determine the device handle", "lost gpu"),
)
# Bits of nvmlClocksEventReasons that hold a GPU back against its will.
SLOWDOWN_BITS: Final = {
    0x08: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "power brake",
}
# A field may also hold the name of a fault, such as [GPU requires reset].
ABSENT: Final = frozenset(
    {"N/A", "[N/A]", "[Not Supported]", "[Not Found]", "[Insufficient Permissions]"}
)


@dataclass(frozen=True)
class Gpu:
    """One GPU as nvidia-smi sees it; None where the hardware or the driver does not tell."""

    index: int
    name: str
    uuid: str
    driver: str
    memory_total_mib: float | None
    memory_used_mib: float | None
    ecc: str | None
    uncorrected_errors: float | None
    mig: str | None
    temperature_celsius: float | None
    power_watts: float | None
    slowdowns: tuple[str, ...]
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """All that nvidia-smi said; with `failure`, `said` holds its own words."""

    gpus: tuple[Gpu, ...] = ()
    driver_cuda: str | None = None
    failure: Failure | None = None
    said: str = ""

    @property
    def driver(self) -> str | None:
        """The driver's version, None if no GPU was listed."""
        return self.gpus[0].driver if self.gpus else None


def ask(seconds: float = SECONDS) -> Report:
    """Ask nvidia-smi for all GPUs and the driver's CUDA version, within `seconds`; never raises."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return Report(failure="missing", said="nvidia-smi is not on PATH")
    deadline = time.monotonic() + seconds
    try:
        return _interview(lambda *words: _run([program, *words], deadline))
    except subprocess.TimeoutExpired:
        return Report(failure="hang", said=f"nvidia-smi gave no answer within {seconds:g} s")
    except OSError as error:
        return Report(failure="other", said=str(error))


def _interview(run: Callable[..., Answer]) -> Report:
    report = _read_report(_query_gpus(run))
    if not report.gpus:
        return report
    _, head = run("-q", "-d", "COMPUTE")
    version = re.search(r"CUDA (?:UMD )?Version\s*:\s*(\d+\.\d+)", head)
    return replace(report, driver_cuda=version[1] if version else None)


def _query_gpus(run: Callable[..., Answer]) -> Answer:
    query = "--query-gpu=" + ",".join(FIELDS)
    form = "--format=csv,noheader,nounits"
    answer = run(query, form)
    if f'"{SLOWDOWNS}" is not a valid field' in answer[1]:
        return run(query.replace(SLOWDOWNS, OLDER_SLOWDOWNS), form)
    return answer


def _run(command: list[str], deadline: float) -> Answer:
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=max(deadline - time.monotonic(), 0))
    except subprocess.TimeoutExpired:
        _abandon(process)
        raise
    return process.returncode, output


def _abandon(process: subprocess.Popen[str]) -> None:
    # Inside a broken driver a process cannot even be killed, so nobody waits long for its end.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(REAP_SECONDS)
    if process.stdout is not None:
        process.stdout.close()


def _read_report(answer: Answer) -> Report:
    exit_code, output = answer
    lines = [line for line in output.splitlines() if line.strip()]
    gpus = tuple(_read_gpu(_values(line)) for line in lines if _is_row(line))
    notes = " ".join(line.strip() for line in lines if not _is_row(line))
    return Report(gpus, failure=_failure(exit_code, notes, bool(gpus)), said=notes[:500])


def _values(line: str) -> list[str]:
    return [value.strip() for value in line.split(",")]


def _is_row(line: str) -> bool:
    values = _values(line)
    return len(values) == len(FIELDS) and values[0].isdigit()


def _failure(exit_code: int, notes: str, has_gpus: bool) -> Failure | None:
    for text, failure in TEXTS:
        if text in notes.lower():
            return failure
    if exit_code != 0:
        return "other"
    return None if has_gpus else "unreadable"


def _read_gpu(values: list[str]) -> Gpu:
    facts = dict(zip(FIELDS, values, strict=True))
    return Gpu(
        index=int(facts["index"]),
        name=facts["name"],
        uuid=facts["uuid"],
        driver=facts["driver_version"],
        memory_total_mib=_number(facts["memory.total"]),
        memory_used_mib=_number(facts["memory.used"]),
        ecc=_word(facts["ecc.mode.current"]),
        uncorrected_errors=_number(facts["ecc.errors.uncorrected.volatile.total"]),
        mig=_word(facts["mig.mode.current"]),
        temperature_celsius=_number(facts["temperature.gpu"]),
        power_watts=_number(facts["power.draw"]),
        slowdowns=_slowdowns(facts[SLOWDOWNS]),
        faults=tuple(sorted({v for v in values if v.startswith("[") and v not in ABSENT})),
    )


def _word(value: str) -> str | None:
    return None if value in ABSENT or value.startswith("[") else value


def _number(value: str) -> float | None:
    with contextlib.suppress(ValueError):
        return float(value)
    return None


def _slowdowns(value: str) -> tuple[str, ...]:
    with contextlib.suppress(ValueError):
        active = int(value, 16)
        return tuple(name for bit, name in SLOWDOWN_BITS.items() if active & bit)
    return ()
