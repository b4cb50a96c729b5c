"""A roofline is what the name says: the products of the network, all of them, and nothing else."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import products
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from job.data import source
from job.data.dataset import Dataset
from job.data.spec import DatasetSpec

# The job's calls add the ReLU inside the product where oneDNN has it, else beside it.
PRODUCTS: Final = {"mm", "addmm", "addmm_", "_linear_pointwise"}
FREE: Final = {"t", "transpose", "detach", "relu_"}
STEPS: Final = 10  # of 64 images each, over the small dataset


class Recorder(TorchDispatchMode):
    """Counts the operations that reach the libraries below torch."""

    def __init__(self) -> None:
        """Start with none."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Count, then do it."""
        del types
        self.counts[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


@pytest.fixture
def dataset(small_data: tuple[Path, DatasetSpec]) -> Dataset:
    """The small dataset."""
    folder, spec = small_data
    return source.read(spec, data_dir=folder, offline=True)


@pytest.mark.parametrize("roofline", [products.gemms, products.gemms_best])
def test_roofline_has_eight_products_a_step(
    roofline: Callable[[Dataset], Callable[[int], None]], dataset: Dataset
) -> None:
    """Three forward, two backward, three into the weights; anything more would flatter the job."""
    epoch = roofline(dataset)
    with Recorder() as recorder:
        epoch(0)

    done = {name: count for name, count in recorder.counts.items() if name not in FREE}
    assert done.keys() <= PRODUCTS
    assert sum(done.values()) == 8 * STEPS
    assert done["addmm_"] == 3 * STEPS


def test_products_of_an_evaluation_are_three() -> None:
    """By either library."""
    for work in products.forward_products(torch.rand(20, 784)).values():
        with Recorder() as recorder:
            work()
        done = {name: count for name, count in recorder.counts.items() if name not in FREE}

        assert done.keys() <= PRODUCTS
        assert sum(done.values()) == 3
