"""Feeds the loaders for as long as you like, guided by what they have not done yet.

    python tests/hostile/fuzz.py SECONDS [TARGET...]

`make fuzz` installs atheris first; it has wheels for few platforms, so no lock names it. What a
target does not survive lies in build/fuzz/TARGET/ afterwards, and can be fed again by

    python tests/hostile/fuzz.py 0 TARGET < FILE
"""

import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
FINDINGS: Final = ROOT / "build" / "fuzz"
MEMORY_MEBIBYTES: Final = 3_000  # torch, and the largest picture that is read
SECONDS_PER_INPUT: Final = 30
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "crash")]


def main(arguments: list[str]) -> int:
    """Feed the named targets, or all, one after the other; return how many did not survive."""
    seconds, names = int(arguments[0]), arguments[1:]
    if seconds == 0:
        _feed_again(*names)
        return 0
    return sum(_fuzz_apart(name, seconds) for name in names or _all())


def _all() -> list[str]:
    from targets import TARGETS  # noqa: PLC0415  # below, atheris is imported before it

    return list(TARGETS)


def _feed_again(name: str) -> None:
    from targets import TARGETS  # noqa: PLC0415

    TARGETS[name](sys.stdin.buffer.read())


def _fuzz_apart(name: str, seconds: int) -> int:
    """In a process of its own, because libFuzzer ends the one that it runs in."""
    program = f"import fuzz; fuzz.fuzz({name!r}, {seconds})"
    command = [sys.executable, "-c", program]
    return int(subprocess.run(command, cwd=Path(__file__).parent, check=False).returncode != 0)


def fuzz(name: str, seconds: int) -> None:
    """Feed one target; does not return."""
    import atheris  # noqa: PLC0415  # only `make fuzz` has it

    with atheris.instrument_imports(include=["job", "PIL", "pickletools", "zipfile", "gzip"]):
        from targets import TARGETS  # noqa: PLC0415
    from appetite import inert  # noqa: PLC0415
    from job import logs  # noqa: PLC0415

    logs.configure("json", "error")  # each refusal is a warning

    def feed(data: bytes) -> None:
        with inert():
            TARGETS[name](data)

    limits = [f"-max_total_time={seconds}", f"-timeout={SECONDS_PER_INPUT}"]
    limits += [f"-rss_limit_mb={MEMORY_MEBIBYTES}", "-max_len=65536", "-print_final_stats=1"]
    atheris.Setup([name, *limits, f"-artifact_prefix={FINDINGS / name}/", _corpus(name)], feed)
    atheris.Fuzz()


def _corpus(name: str) -> str:
    from whole_files import whole  # noqa: PLC0415

    folder = FINDINGS / name / "corpus"
    folder.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(whole(name)):
        (folder / f"whole-{number}").write_bytes(content)
    return str(folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
