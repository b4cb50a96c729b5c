"""`python -m job.data FOLDER` has the dataset there or says why not."""

from pathlib import Path

import pytest

from job.data.__main__ import main


def test_folder_of_the_dataset_is_named(
    real_data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real dataset is found, verified and told."""
    assert main([str(real_data_dir)]) == 0
    assert str(real_data_dir) in capsys.readouterr().out


def test_bad_file_ends_as_in_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """65, with the file's name."""
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (tmp_path / f"{name}-ubyte").write_bytes(b"torn")

    assert main([str(tmp_path)]) == 65
    assert "train-images-idx3-ubyte" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_is_no_folder(flag: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is printed, and nothing is made or fetched."""
    assert main([flag]) == 0
    assert "python -m job.data FOLDER" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["--verbose"], ["a", "-n"], ["--help", "a"]])
def test_anything_but_one_folder_is_a_usage_error(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """64, with the usage; a flag that does not exist is no folder either."""
    assert main(arguments) == 64
    assert "fix: python -m job.data FOLDER" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
