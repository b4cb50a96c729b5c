"""Claims about `job.weights.archive`: small when unpacked, and whole, or not opened."""

import io
import tracemalloc
import zipfile
from pathlib import Path

import pytest
import torch

from job.weights import archive
from weight_files import encoded, refused, rewritten


@pytest.mark.parametrize("suffix", [".pth", ".pt2"])
def test_altered_member_is_named(tmp_path: Path, suffix: str) -> None:
    """Torch itself would not compare its checksum."""
    content = bytearray(encoded(suffix))
    content[len(content) // 2] ^= 1

    assert "is altered" in refused(tmp_path, f"model{suffix}", bytes(content))


@pytest.mark.parametrize(
    ("suffix", "entry"),
    [
        (".pt2", "weights/weight_5"),
        (".pt2", "model_weights_config.json"),
        (".pth", "data.pkl"),
        (".pth", "data/5"),
    ],
)
def test_archive_that_would_unpack_to_far_more_is_refused(
    tmp_path: Path, suffix: str, entry: str
) -> None:
    """A small file cannot fill the memory: it is refused before it is unpacked."""
    bomb = rewritten(encoded(suffix), entry, lambda _: bytes(100_000_000))
    tracemalloc.start()
    try:
        assert "unpacks to 10" in refused(tmp_path, f"model{suffix}", bomb)
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("suffix", "entry"), [(".pt2", "model_weights_config.json"), (".pth", "data.pkl")]
)
def test_outline_longer_than_any_network_needs_is_refused(
    tmp_path: Path, suffix: str, entry: str
) -> None:
    """Each of its bytes can ask a parser for a hundred."""
    long = rewritten(encoded(suffix), entry, lambda content: content + bytes(2**16))

    assert "at most 65536 are read" in refused(tmp_path, f"model{suffix}", long)


@pytest.mark.parametrize("kind", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_kind_of_packing_that_torch_does_not_know_is_refused(tmp_path: Path, kind: int) -> None:
    """LZMA takes as much memory as the file says, before its first byte."""
    packed = rewritten(encoded(".pth"), "data.pkl", lambda content: content, kind)

    assert "packed in a way" in refused(tmp_path, "model.pth", packed)


def test_numbers_of_a_member_come_back() -> None:
    """As float32, in the order in which they lie there."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("archive/data/0", torch.tensor([1.5, -2.0]).numpy().tobytes())

    with archive.open_whole(buffer.getvalue()) as opened:
        assert archive.root_of(opened) == "archive"
        assert archive.numbers(opened, "archive/data/0", torch.float32).tolist() == [1.5, -2.0]
