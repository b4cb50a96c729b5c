"""Claims of job.data.spec."""

from torchvision.datasets import FashionMNIST

from job.data.spec import FASHION_MNIST


def test_files_are_those_that_torchvision_fetches() -> None:
    """Names, `.gz` aside, are torchvision's, because its mirrors are asked for them."""
    fetched = [name for name, _md5 in FashionMNIST.resources]

    assert fetched == [f"{file.name}.gz" for file in FASHION_MNIST.files]


def test_classes_are_in_the_order_of_the_labels() -> None:
    """A class is named at the index that torchvision gives it."""
    assert FashionMNIST.classes == list(FASHION_MNIST.classes)


def test_size_counts_the_header() -> None:
    """Sizes are those of the published files, unpacked."""
    sizes = [file.size for file in FASHION_MNIST.files]

    assert sizes == [47_040_016, 60_008, 7_840_016, 10_008]
