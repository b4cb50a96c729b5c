"""The commands and how each of them ends; a command imports what it needs, and no more."""

# ruff: noqa: PLC0415  # `explain` must not wait for the imports of `train`

import difflib
import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from job import logs, termination
from job.errors import ExitCode, JobError, SettingsError, UsageError
from job.settings import (
    CompareSettings,
    PredictSettings,
    PreflightSettings,
    ReportSettings,
    Settings,
    SweepSettings,
    load,
)
from job.settings.threads import keep_threads_within_quota, let_waiting_threads_sleep
from job.stop import StopFlag
from job.stopwatch import Stopwatch

if TYPE_CHECKING:
    from job.data.ahead import ReadAhead
    from job.sweep import Plan

PROGRAM: Final = "python -m job"
PLAN_FLAGS: Final = frozenset({"--plan", "--no-plan"})
# They run beside the job, in a container whose last word is not their own.
PROBES: Final = frozenset({"health"})


def execute(name: str, flags: list[str], stop: StopFlag, stopwatch: Stopwatch) -> int:
    """Run the command `name` and return the exit code of the table in `job.errors`."""
    try:
        code = _run(name, flags, stop, stopwatch)
    except JobError as error:
        _tell(error)
        _report(name, error)
        return error.exit_code
    except Exception as error:  # noqa: BLE001  # the last line of defence; the table calls it a bug
        bug = JobError(repr(error), fix="the stack above tells where; please report it")
        sys.excepthook(type(error), error, error.__traceback__)
        _tell(bug)
        _report(name, bug)
        return ExitCode.BUG
    if code == ExitCode.FINISHED:  # what is wrong otherwise was told by whoever found it
        _report(name, None)
    return code


def _run(name: str, flags: list[str], stop: StopFlag, stopwatch: Stopwatch) -> ExitCode:
    if name in TRAINING:
        return TRAINING[name](flags, stop, stopwatch)
    return _command(name)(flags)


def _report(name: str, error: JobError | None) -> None:
    if name not in PROBES:
        termination.report(error)


def _command(name: str) -> Callable[[list[str]], ExitCode]:
    if name in COMMANDS:
        return COMMANDS[name]
    known = [*TRAINING, *COMMANDS]
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0)[0]
    raise UsageError(
        f"no such command: {name}",
        allowed=", ".join(known),
        fix=f"{PROGRAM} {nearest}, or {PROGRAM} --help",
    )


def _train(flags: list[str], stop: StopFlag, stopwatch: Stopwatch) -> ExitCode:
    settings = load(Settings, flags, PROGRAM)
    if settings.sweep is not None:
        settings = _insist_on_point(settings, flags)
    return _train_one(settings, stop, stopwatch)


def _insist_on_point(settings: Settings, flags: list[str]) -> Settings:
    from job import sweep

    point = sweep.this_point(settings, flags, PROGRAM)
    if point is None:
        raise SettingsError(
            "JOB_SWEEP is set, and nothing says which of its points this run is",
            fix=f"set JOB_SWEEP_INDEX, or run all of them: {PROGRAM} sweep",
        )
    sweep.keep(point)
    return point


def _sweep(flags: list[str], stop: StopFlag, stopwatch: Stopwatch) -> ExitCode:
    """All points; or one, as which this command starts itself for each of them."""
    settings = load(SweepSettings, flags, f"{PROGRAM} sweep")
    from job import sweep

    flags_of_runs = [flag for flag in flags if flag not in PLAN_FLAGS]
    if not settings.plan:
        point = sweep.this_point(settings, flags_of_runs, PROGRAM)
        if point is not None:
            sweep.keep(point)
            return _train_one(point, stop, stopwatch)
    plan = sweep.plan_of(settings, flags_of_runs, PROGRAM)
    if settings.plan:
        from job.sweep import listing

        for_people = logs.is_for_people(settings.log_format, sys.stdout)
        logs.answer(listing.for_people(plan) if for_people else listing.as_json(plan))
        return ExitCode.FINISHED
    return _sweep_locally(plan, settings, stop)


def _sweep_locally(plan: "Plan", settings: Settings, stop: StopFlag) -> ExitCode:
    from job.sweep import locally

    logs.configure(settings.log_format, settings.log_level)
    stop.watch(settings.stop_file)
    return locally.run_all(plan, settings, stop)


def _train_one(settings: Settings, stop: StopFlag, stopwatch: Stopwatch) -> ExitCode:
    from job import launch
    from job.world import here
    from job.world.voice import speak_as

    place = here(settings)
    speak_as(place, settings.log_format, settings.log_level)
    if settings.tensorboard:
        from job import tensorboard

        tensorboard.require_installed()
    stop.watch(settings.stop_file)
    if (ended := launch.run(settings, stop)) is not None:
        return ended
    let_waiting_threads_sleep()
    keep_threads_within_quota()
    with stopwatch.phase("imports"):
        data = _read_ahead(settings, stop)
        from job.run import run
    record = run(settings, stop, stopwatch, data, leave=_leave_at_once, place=place)
    if record is not None:
        from job import summary

        summary.tell(record, settings.output_dir, for_people=logs.is_console(settings.log_format))
    return ExitCode.FINISHED


def _settings(flags: list[str]) -> Settings:
    """Those of a run; of a sweep's point, where something says which."""
    settings = load(Settings, flags, PROGRAM)
    if settings.sweep is None:
        return settings
    from job import sweep

    return sweep.this_point(settings, flags, PROGRAM) or settings


def _read_ahead(settings: Settings, stop: StopFlag) -> "ReadAhead":
    from job.data import catalog
    from job.data.ahead import ReadAhead

    return ReadAhead(
        catalog.reader(settings.dataset, settings.model, settings.image_size),
        data_dir=settings.data_dir,
        offline=settings.data_offline,
        stop=stop,
        at_once=catalog.may_be_read_ahead(settings.dataset),
    )


def _health(flags: list[str]) -> ExitCode:
    settings = _settings(flags)
    from job import health

    logs.answer(health.answer(settings))
    return ExitCode.FINISHED


def _preflight(flags: list[str]) -> ExitCode:
    settings = load(PreflightSettings, flags, f"{PROGRAM} preflight")
    from job import acceptance

    return acceptance.answer(settings)


def _predict(flags: list[str]) -> ExitCode:
    settings = load(PredictSettings, flags, f"{PROGRAM} predict")
    from job import predict

    logs.answer(predict.answer(settings))
    return ExitCode.FINISHED


def _remake(flags: list[str]) -> ExitCode:
    settings = load(ReportSettings, flags, f"{PROGRAM} report")
    from job import remake

    logs.answer(remake.answer(settings))
    return ExitCode.FINISHED


def _compare(flags: list[str]) -> ExitCode:
    settings = load(CompareSettings, flags, f"{PROGRAM} compare")
    from job import compare

    logs.answer(compare.answer(settings))
    return ExitCode.FINISHED


def _explain(flags: list[str]) -> ExitCode:
    from job import explain

    logs.answer(explain.text(_settings(flags)))
    return ExitCode.FINISHED


def _schema(flags: list[str]) -> ExitCode:
    if flags:
        raise UsageError(f"schema takes no arguments: {' '.join(flags)}", fix=f"{PROGRAM} schema")
    from job.record import RunRecord

    logs.answer(json.dumps(RunRecord.model_json_schema(), indent=2))
    return ExitCode.FINISHED


def _leave_at_once(error: JobError) -> None:
    """End the process from any thread, while the main one is stuck."""
    _tell(error)
    termination.report(error)
    sys.stderr.flush()
    os._exit(error.exit_code)


def _tell(error: JobError) -> None:
    import structlog

    if not structlog.is_configured():  # the settings that say how are at fault, or the command
        logs.configure("auto", "info")
    name, code = error.exit_code.name.lower(), int(error.exit_code)
    if logs.speaks_to_people():
        sys.stderr.write(f"{name} (exit code {code}): {error}\n")
        return
    facts = {"reason": error.seen, "allowed": error.allowed, "fix": error.fix}
    told = {key: fact for key, fact in facts.items() if fact}
    log = structlog.get_logger()
    tell = log.warning if error.exit_code == ExitCode.INTERRUPTED else log.error
    tell(name, exit_code=code, **told, checkpoint=error.checkpoint)


COMMANDS: Final[dict[str, Callable[[list[str]], ExitCode]]] = {
    "preflight": _preflight,
    "health": _health,
    "predict": _predict,
    "report": _remake,
    "compare": _compare,
    "explain": _explain,
    "schema": _schema,
}
# They are asked to stop, and say with which code they have.
TRAINING: Final[dict[str, Callable[[list[str], StopFlag, Stopwatch], ExitCode]]] = {
    "train": _train,
    "sweep": _sweep,
}
