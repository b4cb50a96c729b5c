"""The report made anew from what a run has left in its folder, finished or not.

What others may have edited, torn or written with another version is read part by part: a part that
cannot be read costs a note on the page.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from job import attempts, files, heartbeat, report
from job.data import catalog
from job.data.dataset import Dataset
from job.errors import DataError, SettingsError
from job.record import (
    HISTORY_FILE,
    RECORD_FILE,
    AttemptRecord,
    EpochRecord,
    RunRecord,
    SettingRecord,
)
from job.report.content import (
    KILLED,
    RUNNING,
    Content,
    Ending,
    draw_mistakes,
    ending_of_code,
    ending_of_finished,
    read_parts,
)
from job.settings import ReportSettings
from job.settings.names import PublishedDataset

PREFLIGHT: Final = "preflight.json"
LIMIT_BYTES: Final = 2**24
# A heartbeat comes each second; loading a library may keep it back for a while.
SILENCE_SECONDS: Final = 30.0

Notes = tuple[str, ...]
# Gives the dataset of the run that had these settings.
Reader = Callable[[dict[str, SettingRecord]], Dataset]
Line = TypeVar("Line", bound=BaseModel)


def answer(settings: ReportSettings) -> str:
    """Write the report, and say where it is.

    Raises `SettingsError` for a folder without a run, `DataError` for a record that is none,
    `OutputError` if a folder cannot be read or written.
    """
    folder = settings.folder or settings.output_dir
    content = read(folder, partial(_dataset, settings))
    page, *_ = report.write_content(content, settings.to or folder)
    return str(page)


def read(folder: Path, dataset: Reader) -> Content:
    """What `folder` tells of its run; `dataset` is asked for where it has mistakes to show.

    Raises as `answer` does, but for writing.
    """
    values = _record(folder)
    parts, notes = read_parts(values)
    history, torn = _lines(folder / HISTORY_FILE, EpochRecord)
    ledger, torn_ledger = _lines(folder / attempts.FILE, AttemptRecord)
    if not (values or history or ledger):
        raise _no_run(folder)
    parts = {"history": history} | parts
    parts["attempts"] = ledger or parts.get("attempts", [])
    preflight = _json(folder / PREFLIGHT)
    pictures, missing = _pictures(parts, dataset)
    return Content(
        ending=_ending(folder, parts, finished=bool(values)),
        preflight=preflight if isinstance(preflight, dict) else None,
        pictures=pictures,
        notes=(*_version_note(values), *notes, *torn, *torn_ledger, *missing),
        **parts,
    )


def _record(folder: Path) -> dict[str, Any]:
    """The content of `metrics.json`, nothing where it is not there yet."""
    path = folder / RECORD_FILE
    if files.read_bytes(path, LIMIT_BYTES) is None:
        return {}
    values = _json(path)
    if not isinstance(values, dict) or not values:
        raise DataError(
            f"{path} is no record of a run",
            allowed="the JSON that the job writes when it finishes",
            fix="take the file from a copy, or remove it and run the same command again",
        )
    return values


def _ending(folder: Path, parts: dict[str, Any], *, finished: bool) -> Ending:
    if finished:
        return ending_of_finished(parts.get("settings", {}), parts.get("evaluation"))
    last = parts["attempts"][-1] if parts["attempts"] else None
    if last is not None and last.exit_code is not None:
        return ending_of_code(last.exit_code)
    beat = heartbeat.read(folder / heartbeat.FILE)
    alive = beat is not None and beat.phase != "ended" and beat.age < SILENCE_SECONDS
    return RUNNING if alive else KILLED


def _pictures(parts: dict[str, Any], dataset: Reader) -> tuple[dict[int, str], Notes]:
    """The pictures of the mistakes, by index; the page says where they are missing."""
    evaluation, recorded = parts.get("evaluation"), parts.get("dataset")
    if evaluation is None or recorded is None or not evaluation.confident_mistakes:
        return {}, ()
    try:
        found = dataset(parts.get("settings", {}))
    except DataError:
        return {}, ()
    if found.digests != recorded.sha256:
        return {}, ("the dataset at hand is not that of the run, so its images are not shown",)
    return draw_mistakes(evaluation.confident_mistakes, found.test_images), ()


def _dataset(settings: ReportSettings, of_run: dict[str, SettingRecord]) -> Dataset:
    """The images of a published dataset; a record may name no code, and no folder of any size."""
    name = of_run["dataset"].value if "dataset" in of_run else catalog.DEFAULT
    if name not in get_args(PublishedDataset):
        raise DataError(f"{name} is no dataset whose images are known")
    return catalog.reader(str(name))(data_dir=settings.data_dir, offline=True)


def _version_note(values: dict[str, Any]) -> Notes:
    known, seen = RunRecord.model_fields["schema_version"].default, values.get("schema_version")
    if not values or seen == known:
        return ()
    return (f"the record has schema version {seen}, this job knows {known}",)


def _lines(path: Path, kind: type[Line]) -> tuple[list[Line], Notes]:
    """The lines of a file that can be read, and a note if there are others."""
    lines = (files.read_bytes(path, LIMIT_BYTES) or b"").decode(errors="replace").splitlines()
    parsed = [_parse(line, kind) for line in lines]
    found = [line for line in parsed if line is not None]
    torn = len(parsed) - len(found)
    return found, (f"lines of {path.name} that cannot be read: {torn}",) if torn else ()


def _parse(line: str, kind: type[Line]) -> Line | None:
    try:
        return kind.model_validate_json(line)
    except ValidationError:
        return None


def _json(path: Path) -> Any:
    """What the file holds; None for no file, and for one that is no JSON."""
    try:
        return json.loads(files.read_bytes(path, LIMIT_BYTES) or b"null")
    except (ValueError, RecursionError):
        return None


def _no_run(folder: Path) -> SettingsError:
    return SettingsError(
        f"no run in {folder}",
        allowed=f"a folder with {RECORD_FILE}, {HISTORY_FILE} or {attempts.FILE}",
        fix="name the folder that a run was given as JOB_OUTPUT_DIR",
    )
