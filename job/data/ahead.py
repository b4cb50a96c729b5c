"""Reads the dataset beside something else that takes long, such as the import of torch.

Decompressing and digesting release the interpreter's lock, so a second core does them for nothing.
"""

import threading
from pathlib import Path

from job.data.dataset import Dataset, Reader
from job.errors import DataError, InterruptedRunError
from job.stop import StopFlag


class ReadAhead:
    """A dataset on its way; one that lies nowhere here is not fetched before it is asked for."""

    def __init__(  # what a reader is told, and when
        self,
        read: Reader,
        *,
        data_dir: Path,
        offline: bool,
        stop: StopFlag | None = None,
        at_once: bool = True,
    ) -> None:
        """Start to read, if `at_once`; it ends with the process if nobody asks."""
        self._read, self._data_dir, self._offline, self._stop = read, data_dir, offline, stop
        self._found: Dataset | None = None
        self._thread = threading.Thread(target=self._look, name="read-ahead", daemon=True)
        if at_once:
            self._thread.start()

    def dataset(self) -> Dataset:
        """Wait for it. Raises `DataError` and `InterruptedRunError` as the reader does."""
        if self._thread.ident is not None:
            self._thread.join()
        if self._found is None:  # so that fetching and its errors are those of the reader itself
            self._found = self._read(
                data_dir=self._data_dir, offline=self._offline, stop=self._stop
            )
        return self._found

    def _look(self) -> None:
        try:
            self._found = self._read(data_dir=self._data_dir, offline=True, stop=self._stop)
        except (DataError, InterruptedRunError):
            self._found = None  # whoever asks hears the reason
