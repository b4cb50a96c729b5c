"""Claims about `job.evaluate`."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from job.data.split import Batch
from job.evaluate import Tally, confident_mistakes, evaluate

LABELS = torch.tensor([0, 0, 0, 1, 1, 2])
PREDICTED = torch.tensor([0, 0, 1, 1, 0, 1])


class _Witness(nn.Module):
    """Gives back what it gets as the logits, and notes in which mode it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.modes: list[tuple[bool, bool]] = []

    def forward(self, images: Tensor) -> Tensor:
        logits = images * self.scale
        self.modes.append((self.training, logits.requires_grad))
        return logits


def _example() -> Tally:
    """Three classes, of which the last one is never predicted."""
    logits = functional.one_hot(PREDICTED, 3).float()
    return evaluate(nn.Identity(), [(logits, LABELS)], 3)


def _batches(images: int, batch_size: int, classes: int = 10) -> list[Batch]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(images, classes, generator=generator)
    labels = torch.randint(classes, (images,), generator=generator)
    return list(zip(logits.split(batch_size), labels.split(batch_size), strict=True))


def test_confusion_counts_true_class_by_predicted_class() -> None:
    """Rows are what is so, columns what was said."""
    assert _example().confusion.tolist() == [[2, 1, 0], [1, 1, 0], [0, 1, 0]]


def test_ratios_equal_those_computed_by_hand() -> None:
    """Precision goes down a column, recall along a row, F1 is their harmonic mean."""
    tally = _example()

    assert tally.images == 6
    assert tally.accuracy == 3 / 6
    assert tally.precision == pytest.approx([2 / 3, 1 / 3, 0])
    assert tally.recall == pytest.approx([2 / 3, 1 / 2, 0])
    assert tally.f1 == pytest.approx([2 / 3, 2 * (1 / 3) * (1 / 2) / (1 / 3 + 1 / 2), 0])


def test_class_that_is_neither_there_nor_predicted_has_ratios_of_zero() -> None:
    """No ratio is NaN, which JSON could not hold."""
    tally = evaluate(nn.Identity(), [(torch.tensor([[1.0, 0.0]]), torch.tensor([0]))], 2)

    assert (tally.precision, tally.recall, tally.f1) == ([1, 0], [1, 0], [1, 0])


def test_loss_is_the_mean_over_the_images() -> None:
    """A smaller last batch weighs less; the quickstart's mean of batch means is another number."""
    batches = _batches(10, 4)
    logits, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    means = [float(functional.cross_entropy(*batch)) for batch in batches]
    loss = evaluate(nn.Identity(), batches, 10).loss

    assert loss == pytest.approx(float(functional.cross_entropy(logits, labels)), rel=1e-6)
    assert loss != pytest.approx(sum(means) / len(means), rel=1e-3)


def test_merged_tallies_equal_the_tally_of_the_whole() -> None:
    """Sums travel: parts that were judged apart give what one judge gives."""
    batches = _batches(50, 7)
    parts = [evaluate(nn.Identity(), part, 10) for part in (batches[:3], batches[3:])]
    whole, merged = evaluate(nn.Identity(), batches, 10), parts[0].merge(parts[1])

    assert torch.equal(merged.confusion, whole.confusion)
    assert merged.loss == pytest.approx(whole.loss, rel=1e-12)


def test_merging_with_the_empty_tally_changes_nothing() -> None:
    """It is the tally of no images."""
    empty, tally = Tally.empty(3), _example()

    assert empty.images == 0
    for merged in (empty.merge(tally), tally.merge(empty)):
        assert merged.loss_sum == tally.loss_sum
        assert torch.equal(merged.confusion, tally.confusion)


def test_one_hot_targets_and_labels_agree() -> None:
    """The quickstart's target transform is judged like plain labels."""
    batches = _batches(30, 8)
    one_hot = [(logits, functional.one_hot(labels, 10).float()) for logits, labels in batches]
    by_label, by_target = (evaluate(nn.Identity(), road, 10) for road in (batches, one_hot))

    assert torch.equal(by_target.confusion, by_label.confusion)
    assert by_target.loss == pytest.approx(by_label.loss, rel=1e-6)


def test_model_is_judged_in_evaluation_mode_and_without_gradients() -> None:
    """Dropout is off, nothing is recorded for a backward pass, and the mode stays so."""
    model = _Witness().train()
    evaluate(model, _batches(6, 3), 10)

    assert model.modes == [(False, False)] * 2
    assert not model.training
    assert model.scale.grad is None


def test_tally_lies_on_the_cpu_in_whole_numbers() -> None:
    """Counts are exact, and may be asked for without the device."""
    confusion = _example().confusion

    assert (confusion.device.type, confusion.dtype) == ("cpu", torch.int64)


def test_surest_mistakes_come_first_with_their_place_in_the_test_set() -> None:
    """Each has what it is, what it was taken for, and the softmax of that."""
    logits = torch.tensor([[9.0, 0.0], [0.0, 1.0], [5.0, 0.0], [0.0, 3.0]])
    labels = torch.tensor([1, 0, 0, 0])
    batches = list(zip(logits.split(2), labels.split(2), strict=True))

    found = confident_mistakes(nn.Identity(), batches, 5)
    assert [(each.index, each.true, each.predicted) for each in found] == [
        (0, 1, 0),
        (3, 0, 1),
        (1, 0, 1),
    ]
    assert found[0].probability == pytest.approx(float(logits[0].softmax(0)[0]))


def test_no_more_mistakes_are_kept_than_asked_for_however_they_are_batched() -> None:
    """The twelve surest of all images are those of one batch of all of them."""
    whole = confident_mistakes(nn.Identity(), _batches(500, 500), 12)

    assert len(whole) == 12
    assert confident_mistakes(nn.Identity(), _batches(500, 7), 12) == whole


def test_of_two_equally_sure_mistakes_the_earlier_image_comes_first() -> None:
    """The same weights give the same list."""
    logits = torch.tensor([[0.0, 2.0]]).repeat(6, 1)
    batches = list(zip(logits.split(4), torch.zeros(6, dtype=torch.int64).split(4), strict=True))

    found = confident_mistakes(nn.Identity(), batches, 3)
    assert [each.index for each in found] == [0, 1, 2]


def test_flawless_network_makes_no_mistakes() -> None:
    """Nothing is made up to fill a list."""
    logits = torch.eye(3)

    assert confident_mistakes(nn.Identity(), [(logits, torch.arange(3))], 12) == []


def test_search_for_mistakes_keeps_no_gradients() -> None:
    """It is an evaluation: dropout is off, and nothing is recorded for a backward pass."""
    witness = _Witness().train()
    confident_mistakes(witness, _batches(10, 5), 3)

    assert witness.modes == [(False, False)] * 2
