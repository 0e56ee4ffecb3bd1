"""The architectures, apart from the loop. B batch, D features,
C channels, H height, W width, K classes."""

import torch
from torch import Tensor, nn

from trainer.config import ConfigError


def build(
    model_type: str, shape: tuple[int, ...], classes: int, hidden: int, dropout: float
) -> nn.Module:
    """A network from rows of `shape` to logits_BK.

    Raises:
        ConfigError: the architecture does not take rows of this shape.
    """
    if model_type == "mlp":
        return _mlp(int(torch.tensor(shape).prod()), classes, hidden, dropout)
    if len(shape) != 3:
        raise ConfigError(
            f"--model-type {model_type} takes images C x H x W, the data has rows of shape "
            f"{shape}; use mlp"
        )
    if model_type == "cnn":
        return _cnn(shape, classes, hidden, dropout)
    if model_type == "resnet18":
        return ResNet(_Basic, (2, 2, 2, 2), shape, classes, hidden)
    return ResNet(_Bottleneck, (3, 4, 6, 3), shape, classes, hidden)


class Served(nn.Module):
    """What is logged and served: raw rows in, probabilities
    out; the scaling is part of the model."""

    def __init__(self, network: nn.Module, mean_D: Tensor, std_D: Tensor) -> None:
        super().__init__()
        self.network = network
        self.mean_D: Tensor
        self.std_D: Tensor
        self.register_buffer("mean_D", mean_D)
        self.register_buffer("std_D", std_D)

    def logits(self, rows_BD: Tensor) -> Tensor:
        """Scores before the softmax, for the loss."""
        logits_BK: Tensor = self.network((rows_BD - self.mean_D) / self.std_D)
        return logits_BK

    def forward(self, rows_BD: Tensor) -> Tensor:
        """Probability of each class."""
        return self.logits(rows_BD).softmax(dim=-1)


def _mlp(features: int, classes: int, hidden: int, dropout: float) -> nn.Module:
    layers = [nn.Flatten(), nn.Linear(features, hidden), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(
        *layers,
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(hidden, classes),
    )


def _cnn(shape: tuple[int, ...], classes: int, hidden: int, dropout: float) -> nn.Module:
    channels, height, width = shape
    return nn.Sequential(
        nn.Conv2d(channels, hidden, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(hidden, 2 * hidden, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(2 * hidden * (height // 2) * (width // 2), classes),
    )


class _Basic(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2015, figure 5 left)."""

    expansion = 1

    def __init__(self, inside: int, width: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_conv(inside, width, 3, stride), nn.ReLU(), *_conv(width, width, 3, 1)
        )
        self.shortcut = _shortcut(inside, width, stride)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Images in, images of the same size over the stride out."""
        return torch.relu(self.body(x_BCHW) + self.shortcut(x_BCHW))


class _Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions and a shortcut (figure 5 right), the stride in the 3x3."""

    expansion = 4

    def __init__(self, inside: int, width: int, stride: int) -> None:
        super().__init__()
        wide = width * self.expansion
        middle = [
            *_conv(inside, width, 1, 1),
            nn.ReLU(),
            *_conv(width, width, 3, stride),
            nn.ReLU(),
        ]
        self.body = nn.Sequential(*middle, *_conv(width, wide, 1, 1))
        self.shortcut = _shortcut(inside, wide, stride)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Images in, images of the same size over the stride out."""
        return torch.relu(self.body(x_BCHW) + self.shortcut(x_BCHW))


class ResNet(nn.Module):
    """ResNet v1 (v1.5 for the bottleneck); images below 64
    pixels keep their resolution in the stem."""

    def __init__(
        self,
        block: type[_Basic] | type[_Bottleneck],
        depths: tuple[int, ...],
        shape: tuple[int, ...],
        classes: int,
        hidden: int,
    ) -> None:
        super().__init__()
        channels, small = shape[0], min(shape[1:]) < 64
        stem = _conv(channels, hidden, 3, 1) if small else _conv(channels, hidden, 7, 2)
        layers: list[nn.Module] = [*stem, nn.ReLU()] + ([] if small else [nn.MaxPool2d(3, 2, 1)])
        inside = hidden
        for stage, depth in enumerate(depths):
            for number in range(depth):
                width = hidden * 2**stage
                layers.append(block(inside, width, 2 if stage and not number else 1))
                inside = width * block.expansion
        self.layers = nn.Sequential(
            *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inside, classes)
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Scores of the classes."""
        logits_BK: Tensor = self.layers(x_BCHW)
        return logits_BK


def _conv(inside: int, outside: int, kernel: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inside, outside, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outside),
    ]


def _shortcut(inside: int, outside: int, stride: int) -> nn.Module:
    if inside == outside and stride == 1:
        return nn.Identity()
    return nn.Sequential(*_conv(inside, outside, 1, stride))
