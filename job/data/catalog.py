"""The datasets by the names that `JOB_DATASET` takes."""

from functools import partial
from typing import Final

from job import own_code
from job.data import source
from job.data.dataset import Reader
from job.data.spec import FASHION_MNIST

DEFAULT: Final = "fashion-mnist"
IMAGE_FOLDER: Final = "image-folder"
# Of pictures whose own sizes differ: what nearly all of torchvision's models want, or the MLP.
SIDE: Final = 224
SIDE_OF_MLP: Final = 28


def reader(name: str, model: str = "mlp", image_size: int | None = None) -> Reader:
    """What reads the dataset called `name`; pictures of any size become fit for the `model`."""
    # Each of these is imported by those who chose it: Pillow and torchvision take their time.
    if name == DEFAULT:
        return partial(source.read, FASHION_MNIST)
    if own_code.is_own(name):
        from job.data import own  # noqa: PLC0415

        return partial(own.read, name)
    if name == IMAGE_FOLDER:
        from job.data import image_folder  # noqa: PLC0415

        side = image_size or (SIDE_OF_MLP if model == "mlp" else SIDE)
        return partial(image_folder.read, side)
    if name == "cifar10":
        from job.data import cifar10  # noqa: PLC0415

        return cifar10.read
    from job.data import siblings  # noqa: PLC0415

    return partial(siblings.read, name)


def may_be_read_ahead(name: str) -> bool:
    """Whether a thread may read it beside the import of torch; the others import or warn, too."""
    return name == DEFAULT
