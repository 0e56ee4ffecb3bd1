import pytest
import torch

from trainer.evaluate import confusion, evaluate, latency_p99_ms
from trainer.models import Served


@pytest.fixture
def model() -> Served:
    """Scores are the rows themselves."""
    return Served(torch.nn.Flatten(), torch.zeros(1), torch.ones(1))


def test_accuracy_counts_the_right_ones(model):
    rows = torch.eye(4)
    _, accuracy, predicted = evaluate(model, rows, torch.tensor([0, 1, 2, 0]))
    assert (accuracy, predicted.tolist()) == (0.75, [0, 1, 2, 3])


def test_batches_do_not_change_the_loss(model):
    rows, labels = torch.randn(10, 3), torch.randint(3, (10,))
    assert evaluate(model, rows, labels, batch=3)[0] == pytest.approx(
        evaluate(model, rows, labels)[0]
    )


def test_latency_is_measured(model):
    assert 0 < latency_p99_ms(model, torch.eye(4)) < 1000


def test_confusion_counts_true_by_predicted():
    assert confusion(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]), 2).tolist() == [
        [1, 1],
        [0, 1],
    ]
