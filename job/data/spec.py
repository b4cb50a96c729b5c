"""What a dataset has to be: its four files, their shapes and digests, and its class names."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class DatasetFile:
    """One IDX file: its name without `.gz`, its shape, and the SHA-256 of its unpacked bytes."""

    name: str
    shape: tuple[int, ...]
    sha256: str

    @property
    def size(self) -> int:
        """Bytes of the unpacked file, header included."""
        from job.data import idx  # noqa: PLC0415  # numpy takes 0.1 s, and `explain` needs none

        return idx.encoded_size(self.shape)


@dataclass(frozen=True)
class DatasetSpec:
    """A dataset of grey images (N, 28, 28) and labels (N,), which index `classes`."""

    name: str
    classes: tuple[str, ...]
    train_images: DatasetFile
    train_labels: DatasetFile
    test_images: DatasetFile
    test_labels: DatasetFile

    @property
    def files(self) -> tuple[DatasetFile, DatasetFile, DatasetFile, DatasetFile]:
        """The four files, training before test, images before labels."""
        return (self.train_images, self.train_labels, self.test_images, self.test_labels)


FASHION_MNIST: Final = DatasetSpec(
    name="Fashion-MNIST",
    classes=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    train_images=DatasetFile(
        "train-images-idx3-ubyte",
        (60_000, 28, 28),
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ),
    train_labels=DatasetFile(
        "train-labels-idx1-ubyte",
        (60_000,),
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ),
    test_images=DatasetFile(
        "t10k-images-idx3-ubyte",
        (10_000, 28, 28),
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    ),
    test_labels=DatasetFile(
        "t10k-labels-idx1-ubyte",
        (10_000,),
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
)
