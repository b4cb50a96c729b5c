"""Claims about `job.predict`: what is seen on a picture, and how that is told."""

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import ExifTags, Image

from conftest import Program
from job import model, predict, weights
from job.data import catalog, source
from job.data.spec import FASHION_MNIST, DatasetSpec
from job.errors import DataError, ExitCode
from job.predict import Picture, Prediction, read_picture
from job.settings import PredictSettings


@pytest.fixture(scope="module")
def network() -> model.NeuralNetwork:
    """A network with the weights of a seed."""
    return model.build(0, 0.0, torch.device("cpu")).eval()


@pytest.fixture
def weights_file(network: model.NeuralNetwork, tmp_path: Path) -> Path:
    """Its weights as a run leaves them."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(weights.to_safetensors(network))
    return path


def _dark(height: int = 28, width: int = 28) -> NDArray[np.uint8]:
    """Grey levels with a black border."""
    pixels = np.random.default_rng(0).integers(0, 256, (height, width), np.uint8)
    pixels[[0, -1]] = 0
    pixels[:, [0, -1]] = 0
    return pixels


def _saved(path: Path, image: Image.Image, **options: Any) -> Picture:
    image.save(path, **options)
    return read_picture(path)


def _predict(weights_file: Path, **settings: Any) -> list[Prediction]:
    return list(predict.predict(PredictSettings(weights=weights_file, **settings)))


def test_grey_picture_of_the_right_size_is_taken_as_it_is(tmp_path: Path) -> None:
    """Every pixel reaches the network unchanged, and there is nothing to say."""
    picture = _saved(tmp_path / "shirt.png", Image.fromarray(_dark()))

    assert torch.equal(picture.pixels, torch.tensor(_dark()))
    assert (picture.notes, picture.name) == ((), str(tmp_path / "shirt.png"))


def test_colour_photo_of_another_size_is_converted_and_that_is_said(tmp_path: Path) -> None:
    """Both changes are told, one by one."""
    picture = _saved(tmp_path / "shirt.jpg", Image.new("RGB", (60, 40), (90, 90, 90)))

    assert picture.pixels.shape == (28, 28)
    assert picture.pixels.unique().tolist() == [90]
    assert picture.notes == ("converted from RGB to grey", "fitted from 60×40 to 28×28")


def test_whole_picture_is_kept_whatever_its_shape(tmp_path: Path) -> None:
    """Nothing is cut off: a long sleeve is still there, and background fills the rest."""
    pixels = np.full((20, 80), 10, np.uint8)
    pixels[:, -20:] = 200
    fitted = _saved(tmp_path / "sleeve.png", Image.fromarray(pixels)).pixels

    assert fitted[14, -3:].tolist() == [200] * 3
    assert fitted[[0, -1]].unique().tolist() == [10]


def test_palette_is_looked_up(tmp_path: Path) -> None:
    """The grey of a colour counts, not its number in the palette."""
    image = Image.new("P", (28, 28), 3)
    image.putpalette([0, 0, 0] * 3 + [120, 120, 120])
    picture = _saved(tmp_path / "shirt.png", image)

    assert picture.pixels.unique().tolist() == [120]
    assert picture.notes == ("converted from P to grey",)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_parts_become_black(tmp_path: Path, mode: str) -> None:
    """A shirt that was cut out lies on the background of the training images."""
    image = Image.new("LA", (28, 28), (255, 0))
    image.paste((200, 255), (8, 8, 20, 20))
    picture = _saved(tmp_path / "shirt.png", image.convert(mode))

    assert picture.pixels[14, 14] == 200
    assert picture.pixels[0].unique().tolist() == [0]
    assert picture.notes == (f"converted from {mode} to grey, transparent parts to black",)


def test_sixteen_bits_are_scaled_and_not_cut(tmp_path: Path) -> None:
    """A scan of 65,536 greys keeps its shades."""
    deep = _dark().astype(np.uint16) * 256
    picture = _saved(tmp_path / "scan.png", Image.fromarray(deep))

    assert torch.equal(picture.pixels, torch.tensor(_dark()))
    assert "to grey" in picture.notes[0]


def test_transparent_grey_of_sixteen_bits_becomes_black(tmp_path: Path) -> None:
    """As any other transparent part does; what is close to that grey stays."""
    deep = np.full((28, 28), 50_000, np.uint16)
    deep[14, 14] = 50_001
    picture = _saved(tmp_path / "scan.png", Image.fromarray(deep), transparency=50_000)

    assert picture.pixels[14, 14] == 50_001 >> 8
    assert picture.pixels[0].unique().tolist() == [0]


def test_photo_is_turned_as_the_camera_says(tmp_path: Path) -> None:
    """A phone held on its side does not make a shirt lie down."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 3  # upside down
    pixels = np.zeros((28, 28), np.uint8)
    pixels[5:9, 5:9] = 200
    picture = _saved(tmp_path / "phone.png", Image.fromarray(pixels), exif=exif)

    assert torch.equal(picture.pixels, torch.tensor(pixels).flip(0, 1))
    assert picture.notes == ("turned upright, as the camera says",)


def test_bright_background_is_pointed_out(tmp_path: Path) -> None:
    """A black shirt on white looks like nothing that the network was trained on."""
    picture = _saved(tmp_path / "photo.png", Image.fromarray(255 - _dark()))

    assert picture.notes == ("the background is bright; the training images have a black one",)


def _png(width: int, height: int) -> bytes:
    """The head of a PNG that claims to be so large; its pixels would be bytes of zeros."""
    size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    chunks = ((b"IHDR", size + bytes([8, 0, 0, 0, 0])), (b"IDAT", zlib.compress(bytes(1000))))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
        for kind, data in chunks
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a picture"),
        (b"these are words", "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 28 28\n", "not a picture"),
        (_png(28, 28)[:50], "image file is truncated"),
        (_png(10_000, 10_000), "exceeds limit"),
        (_png(100_000, 100_000), "exceeds limit"),
    ],
    ids=["empty", "words", "program", "truncated", "large", "decompression-bomb"],
)
def test_file_that_is_no_picture_is_a_data_error(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    """The path and the reason are named, whatever is in the file, and nothing is run."""
    path = tmp_path / "shirt.png"
    path.write_bytes(content)

    with pytest.raises(DataError, match=reason) as caught:
        read_picture(path)
    assert str(path) in caught.value.seen
    assert caught.value.exit_code == ExitCode.DATA
    assert "PNG" in caught.value.allowed


@pytest.mark.parametrize(("name", "reason"), [("no.png", "No such file"), (".", "directory")])
def test_missing_picture_is_a_data_error(tmp_path: Path, name: str, reason: str) -> None:
    """A wrong path is told as such."""
    with pytest.raises(DataError, match=reason):
        read_picture(tmp_path / name)


def test_probabilities_are_the_softmax_of_the_networks_logits(
    network: model.NeuralNetwork, weights_file: Path, tmp_path: Path
) -> None:
    """They belong to the classes by name, sum to 1, and the largest one is the answer."""
    Image.fromarray(_dark()).save("shirt.png")
    (prediction,) = _predict(weights_file, pictures=[tmp_path / "shirt.png"])
    with torch.inference_mode():
        logits = network(torch.tensor(_dark()).view(1, 1, 28, 28) / 255)

    shares = list(prediction.probabilities.values())
    assert tuple(prediction.probabilities) == FASHION_MNIST.classes
    assert sum(shares) == pytest.approx(1, abs=1e-12)
    assert shares == pytest.approx(torch.nn.Softmax(dim=1)(logits)[0].tolist(), rel=1e-5)
    assert prediction.best == FASHION_MNIST.classes[int(logits.argmax(1))]


def test_all_kinds_of_weights_give_the_same_answer(
    network: model.NeuralNetwork, weights_file: Path, tmp_path: Path
) -> None:
    """The three files of a run hold one model."""
    Image.fromarray(_dark()).save("shirt.png")
    (tmp_path / "model.pth").write_bytes(weights.to_pth(network))
    (tmp_path / "model.pt2").write_bytes(weights.to_pt2(network))
    paths = [weights_file, tmp_path / "model.pth", tmp_path / "model.pt2"]
    answers = [_predict(path, pictures=[tmp_path / "shirt.png"])[0] for path in paths]

    assert answers[0].probabilities == answers[1].probabilities == answers[2].probabilities


def test_weights_that_cannot_be_read_are_a_data_error(tmp_path: Path) -> None:
    """They are told before any picture is looked at."""
    with pytest.raises(DataError, match=r"cannot read the weights .*none\.pth"):
        _predict(tmp_path / "none.pth", pictures=[tmp_path / "no.png"])


def test_image_of_the_test_set_comes_with_its_label(
    weights_file: Path, small_data: tuple[Path, DatasetSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the answer should be is known, so it is said."""
    folder, spec = small_data
    monkeypatch.setattr(catalog, "FASHION_MNIST", spec)
    read = source.read(spec, data_dir=folder, offline=True)
    index = int(read.test_labels.argmax())
    (prediction,) = _predict(weights_file, test_image=index, data_dir=folder, data_offline=True)

    assert prediction.picture.name == f"test image {index}"
    assert prediction.picture.label == spec.classes[-1]
    assert torch.equal(prediction.picture.pixels, torch.tensor(read.test_images[index]))


def test_program_answers_in_json_where_there_is_no_terminal(
    weights_file: Path, small_job: Program
) -> None:
    """One object for each picture, in the order that they were named, on standard output alone."""
    for name in ("a.png", "b.png"):
        Image.fromarray(_dark(30, 30)).save(name)
    done = small_job("predict", "b.png", "a.png", "--weights", weights_file)
    answers = json.loads(done.stdout)

    assert (done.returncode, done.stderr) == (ExitCode.FINISHED, "")
    assert [answer["picture"] for answer in answers] == ["b.png", "a.png"]
    for answer in answers:
        assert answer["probability"] == answer["probabilities"][answer["class"]]
        assert answer["probability"] == max(answer["probabilities"].values())
        assert answer["notes"] == ["fitted from 30×30 to 28×28"]
        assert answer["label"] is None


def test_program_knows_the_test_set(weights_file: Path, small_job: Program) -> None:
    """`--test-image N` reads the dataset and names the true class."""
    done = small_job("predict", "--test-image", "3", "--weights", weights_file)
    (answer,) = json.loads(done.stdout)

    assert answer["picture"] == "test image 3"
    assert answer["label"] in FASHION_MNIST.classes


def test_people_get_a_table_from_the_most_probable_class_down() -> None:
    """The answer comes first, then what was done to the picture, then all classes."""
    picture = Picture("shirt.png", torch.zeros(28, 28), ("fitted",), label="Coat")
    shares = {"Bag": 0.25, "Coat": 0.125, "Shirt": 0.625}

    assert predict.table(Prediction(picture, shares)).splitlines() == [
        "shirt.png: Shirt (it is Coat)",
        "  note: fitted",
        "   62.50%  Shirt",
        "   25.00%  Bag",
        "   12.50%  Coat",
    ]


def test_console_format_asks_for_the_table(weights_file: Path, tmp_path: Path) -> None:
    """A setting wins over the question whether there is a terminal."""
    Image.fromarray(_dark()).save("shirt.png")
    asked: dict[str, Any] = {"weights": weights_file, "pictures": [tmp_path / "shirt.png"]}
    answers = [predict.answer(PredictSettings(**asked, log_format=f)) for f in ("console", "json")]

    assert answers[0].startswith(f"{tmp_path / 'shirt.png'}: ")
    assert json.loads(answers[1])[0]["picture"] == str(tmp_path / "shirt.png")
