"""Claims of job.data.fetch."""

import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from torchvision.datasets import FashionMNIST

from datasets import small_dataset
from job.data import content, download, fetch, source
from job.data.spec import DatasetSpec
from job.errors import DataError, ExitCode, InterruptedRunError
from job.stop import StopFlag
from mirrors import Mirror

REPOSITORY = Path(fetch.__file__).parents[2]
WAIT_SECONDS = 30.0


@pytest.fixture
def published(tmp_path: Path) -> DatasetSpec:
    """The dataset that the mirrors serve."""
    return small_dataset(tmp_path / "published")


@pytest.fixture
def start_mirror(tmp_path: Path, published: DatasetSpec) -> Iterator[Callable[[], Mirror]]:
    """Starts mirrors of the published dataset; they end with the test."""
    assert published.files
    mirrors: list[Mirror] = []

    def start() -> Mirror:
        mirror = Mirror(tmp_path / "published")
        mirrors.append(mirror)
        threading.Thread(target=mirror.serve_forever, args=(0.01,)).start()
        return mirror

    yield start
    for mirror in mirrors:
        mirror.released.set()
        mirror.shutdown()
        mirror.server_close()


@pytest.fixture
def mirror(start_mirror: Callable[[], Mirror]) -> Mirror:
    """One mirror that works until told otherwise."""
    return start_mirror()


def start_fetch(spec: DatasetSpec, data_dir: Path, mirror: Mirror) -> subprocess.Popen[str]:
    """A process that fetches and then reads what it has, as a training process does."""
    program = f"""
from pathlib import Path
from job.data import fetch, source
from job.data.spec import DatasetFile, DatasetSpec
spec = {spec!r}
data_dir = Path({str(data_dir)!r})
fetch.fetch(spec, data_dir, [{mirror.address!r}])
source.read(spec, data_dir=data_dir, offline=True)
"""
    return subprocess.Popen([sys.executable, "-c", program], cwd=REPOSITORY, text=True)


def wait_until(condition: Callable[[], bool]) -> None:
    """Return when `condition` holds; it has to within half a minute."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_fetched_files_are_the_published_ones(
    published: DatasetSpec, mirror: Mirror, tmp_path: Path
) -> None:
    """An empty folder, which need not exist, has all four files afterwards, packed and flat."""
    data_dir = tmp_path / "not" / "yet"

    fetch.fetch(published, data_dir, [mirror.address])

    assert {path.name for path in data_dir.iterdir()} == {
        download.LOCK_NAME,
        *(f"{file.name}.gz" for file in published.files),
    }
    assert source.read(published, data_dir=data_dir, offline=True).folder == data_dir


def test_missing_dataset_is_fetched_from_torchvisions_mirrors(
    published: DatasetSpec, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading falls back on the network, at the addresses that torchvision knows."""
    monkeypatch.setattr(source, "SYSTEM_FOLDERS", ())
    monkeypatch.setattr(FashionMNIST, "mirrors", [mirror.address])

    dataset = source.read(published, data_dir=tmp_path / "data", offline=False)

    assert dataset.folder == tmp_path / "data"
    assert mirror.requests.total() == 4


def test_files_that_are_there_are_not_fetched(
    published: DatasetSpec, mirror: Mirror, tmp_path: Path
) -> None:
    """Only what is missing is asked for, raw files count, and nothing is overwritten."""
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    mine = data_dir / published.train_images.name
    mine.write_bytes(b"mine")

    fetch.fetch(published, data_dir, [mirror.address])

    assert set(mirror.requests) == {f"{file.name}.gz" for file in published.files[1:]}
    assert mine.read_bytes() == b"mine"


def test_eight_processes_at_once_fetch_each_file_once(
    published: DatasetSpec, mirror: Mirror, tmp_path: Path
) -> None:
    """One process fetches; the others wait for it and find the files."""
    mirror.delay_seconds = 0.5

    processes = [start_fetch(published, tmp_path / "data", mirror) for _ in range(8)]

    assert [process.wait(WAIT_SECONDS) for process in processes] == [0] * 8
    assert mirror.requests == {f"{file.name}.gz": 1 for file in published.files}


def test_killed_fetch_leaves_whole_files_and_the_next_goes_on(
    published: DatasetSpec, mirror: Mirror, tmp_path: Path
) -> None:
    """A kill in the middle of a file leaves nothing under its name, and no lock behind."""
    first, second = (f"{file.name}.gz" for file in published.files[:2])
    mirror.silent_after[second] = 20
    process = start_fetch(published, tmp_path / "data", mirror)
    wait_until(lambda: mirror.requests[second] == 1)
    process.kill()
    process.wait()

    assert {path.name for path in (tmp_path / "data").iterdir()} == {download.LOCK_NAME, first}

    mirror.silent_after.clear()
    fetch.fetch(published, tmp_path / "data", [mirror.address])

    assert mirror.requests[first] == 1
    assert len(content.locate(published, tmp_path / "data")) == 4


def stopped_when(condition: Callable[[], bool]) -> StopFlag:
    """A flag that is set once `condition` holds."""
    stop = StopFlag()

    def request() -> None:
        wait_until(condition)
        stop.request("SIGTERM")

    threading.Thread(target=request).start()
    return stop


@pytest.mark.parametrize("received_bytes", [0, 20])
def test_stop_ends_a_download_at_once(
    published: DatasetSpec, mirror: Mirror, tmp_path: Path, received_bytes: int
) -> None:
    """75 while the mirror is silent; what was whole is kept, and of the rest there is nothing."""
    first, second = (f"{file.name}.gz" for file in published.files[:2])
    mirror.silent_after[second] = received_bytes
    stop = stopped_when(lambda: mirror.requests[second] == 1)
    began = time.monotonic()

    with pytest.raises(InterruptedRunError, match="SIGTERM") as caught:
        fetch.fetch(published, tmp_path / "data", [mirror.address], stop=stop)

    assert time.monotonic() - began < download.SILENCE_SECONDS / 4
    assert caught.value.exit_code == ExitCode.INTERRUPTED
    assert {path.name for path in (tmp_path / "data").iterdir()} == {download.LOCK_NAME, first}


def test_stop_ends_the_wait_for_another_fetch(
    published: DatasetSpec, mirror: Mirror, tmp_path: Path
) -> None:
    """Whoever has the lock may have it for minutes."""
    mirror.silent_after[f"{published.train_images.name}.gz"] = 0
    process = start_fetch(published, tmp_path / "data", mirror)
    wait_until(lambda: mirror.requests.total() == 1)
    began = time.monotonic()

    with capture_logs() as logs:
        stop = stopped_when(lambda: bool(logs))
        with pytest.raises(InterruptedRunError):
            fetch.fetch(published, tmp_path / "data", [mirror.address], stop=stop)

    process.kill()
    process.wait()
    assert time.monotonic() - began < download.SILENCE_SECONDS / 4
    assert mirror.requests.total() == 1


def test_stop_before_the_fetch_asks_no_further_mirror(
    published: DatasetSpec, start_mirror: Callable[[], Mirror], tmp_path: Path
) -> None:
    """It is no failure of the mirror, which the next one would make good."""
    silent, other = start_mirror(), start_mirror()
    silent.silent_after[f"{published.train_images.name}.gz"] = 0
    stop = StopFlag()
    stop.request("SIGTERM")

    with pytest.raises(InterruptedRunError):
        fetch.fetch(published, tmp_path / "data", [silent.address, other.address], stop=stop)

    assert other.requests.total() == 0


def test_waiting_for_another_fetch_is_said(
    published: DatasetSpec, mirror: Mirror, tmp_path: Path
) -> None:
    """A process that stands still tells why."""
    mirror.silent_after[f"{published.train_images.name}.gz"] = 0
    process = start_fetch(published, tmp_path / "data", mirror)
    wait_until(lambda: mirror.requests.total() == 1)

    with capture_logs() as logs:

        def end_the_other() -> None:
            wait_until(lambda: bool(logs))
            mirror.silent_after.clear()
            process.kill()

        threading.Thread(target=end_the_other).start()
        fetch.fetch(published, tmp_path / "data", [mirror.address])

    process.wait()
    assert logs[0]["event"].startswith("waiting for another process")
    assert logs[0]["lock"] == str(tmp_path / "data" / download.LOCK_NAME)


def test_next_mirror_is_tried_when_one_lies(
    published: DatasetSpec, start_mirror: Callable[[], Mirror], tmp_path: Path
) -> None:
    """Content that is not the published one is not kept; another mirror may have it."""
    liar, honest = start_mirror(), start_mirror()
    labels = f"{published.test_labels.name}.gz"
    liar.replaced[labels] = (liar.folder / f"{published.train_labels.name}.gz").read_bytes()

    fetch.fetch(published, tmp_path / "data", [liar.address, honest.address])

    assert honest.requests == {labels: 1}
    assert source.read(published, data_dir=tmp_path / "data", offline=True)


def test_failure_of_every_mirror_is_told(
    published: DatasetSpec,
    start_mirror: Callable[[], Mirror],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Refused, absent, silent, endless, torn and other content: each mirror with its own cause."""
    monkeypatch.setattr(download, "SILENCE_SECONDS", 0.2)
    name = f"{published.train_images.name}.gz"
    closed, empty, silent, endless, torn, other = (start_mirror() for _ in range(6))
    closed.shutdown()
    closed.server_close()
    empty.folder = tmp_path
    silent.silent_after[name] = 100
    endless.replaced[name] = bytes(2 * published.train_images.size)
    torn.replaced[name] = (torn.folder / name).read_bytes()[:-100]
    other.replaced[name] = b"<html>log in first</html>"
    mirrors = [closed, empty, silent, endless, torn, other]

    with pytest.raises(DataError) as caught:
        fetch.fetch(published, tmp_path / "data", [mirror.address for mirror in mirrors])

    lines = caught.value.seen.splitlines()
    causes = [
        "Connection refused",
        "404",
        "timed out",
        "sends more than",
        "cannot be read: Compressed file ended",
        "cannot be read: Not a gzipped file",
    ]
    assert len(lines) == len(mirrors)
    for line, failed, cause in zip(lines, mirrors, causes, strict=True):
        assert line.startswith(f"{failed.address}{name}")
        assert cause in line
    assert [path.name for path in (tmp_path / "data").iterdir()] == [download.LOCK_NAME]


def test_mirror_that_drips_is_given_up(
    published: DatasetSpec, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mirror that is never silent for long still has to be done in time."""
    monkeypatch.setattr(download, "DOWNLOAD_SECONDS", 0.2)
    mirror.dripping.add(f"{published.train_images.name}.gz")
    started = time.monotonic()

    with pytest.raises(DataError, match=r"not done after 0\.2 s"):
        fetch.fetch(published, tmp_path / "data", [mirror.address])

    # The mirror would drip for ten.
    assert time.monotonic() - started < 5


def test_file_in_place_of_the_folder_is_a_data_error(
    published: DatasetSpec, mirror: Mirror, tmp_path: Path
) -> None:
    """It is the dataset that is missing, not the volume for the results: exit code 65."""
    data_dir = tmp_path / "data"
    data_dir.touch()

    with pytest.raises(DataError, match=f"{data_dir} cannot take what is fetched: ") as caught:
        fetch.fetch(published, data_dir, [mirror.address])

    assert caught.value.exit_code == ExitCode.DATA


def test_folder_that_takes_no_lock_is_not_fetched_into(
    published: DatasetSpec, mirror: Mirror, tmp_path: Path
) -> None:
    """Whether the folder can be written is known before anything is fetched."""
    (tmp_path / download.LOCK_NAME).mkdir()

    with pytest.raises(DataError, match=f"{tmp_path} cannot take what is fetched: .*directory"):
        fetch.fetch(published, tmp_path, [mirror.address])

    assert mirror.requests.total() == 0


def test_volume_that_is_full_is_a_data_error(
    published: DatasetSpec, mirror: Mirror, tmp_path: Path
) -> None:
    """A file that does not fit is told as the reason, and nothing of it stays."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(DataError, match=r"cannot take what is fetched: .*File too large"):
            fetch.fetch(published, tmp_path / "data", [mirror.address])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert [path.name for path in (tmp_path / "data").iterdir()] == [download.LOCK_NAME]
