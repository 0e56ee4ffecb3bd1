import pytest
import torch

from trainer.config import ConfigError
from trainer.models import Served, build


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (3, 64, 64)])
@pytest.mark.parametrize("model_type", ["mlp", "cnn", "resnet18", "resnet50"])
def test_images_become_scores_of_classes(model_type, shape):
    network = build(model_type, shape, classes=7, hidden=4, dropout=0.0).eval()
    assert network(torch.zeros(2, *shape)).shape == (2, 7)


def test_table_rows_become_scores_of_classes():
    assert build("mlp", (13,), classes=3, hidden=4, dropout=0.0)(torch.zeros(2, 13)).shape == (2, 3)


@pytest.mark.parametrize("model_type", ["cnn", "resnet18", "resnet50"])
def test_networks_for_images_refuse_tables(model_type):
    with pytest.raises(ConfigError, match="takes images"):
        build(model_type, (13,), 3, 4, 0.0)


@pytest.mark.parametrize(("model_type", "millions"), [("resnet18", 11.69), ("resnet50", 25.56)])
def test_resnets_have_the_published_size(model_type, millions):
    """Parameters at 224 pixels and 1,000 classes as in torchvision's documentation."""
    network = build(model_type, (3, 224, 224), classes=1000, hidden=64, dropout=0.0)
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.01)


def test_served_model_scales_and_gives_probabilities():
    served = Served(torch.nn.Flatten(), torch.tensor([5.0]), torch.tensor([2.0]))
    rows = torch.tensor([[5.0, 7.0]])
    assert served.logits(rows).tolist() == [[0.0, 1.0]]
    assert served(rows).sum().item() == pytest.approx(1.0)
