"""The two pictures of a run."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure


def learning_curve(history: list[dict[str, Any]]) -> Figure:
    """Training and held-out loss by epoch."""
    figure = Figure(figsize=(6, 4))
    axes = figure.subplots()
    epochs = range(1, len(history) + 1)
    for name in ("train_loss", "holdout_loss"):
        axes.plot(epochs, [metrics[name] for metrics in history], label=name.replace("_", " "))
    axes.set(xlabel="epoch", ylabel="cross entropy", yscale="log")
    axes.legend()
    return figure


def confusion_matrix(counts_KK: np.ndarray) -> Figure:
    """Held-out rows by true and predicted class."""
    figure = Figure(figsize=(5, 5))
    axes = figure.subplots()
    axes.imshow(counts_KK, cmap="Blues")
    axes.set(xlabel="predicted class", ylabel="true class")
    if len(counts_KK) <= 20:
        for (row, column), count in np.ndenumerate(counts_KK):
            axes.text(column, row, str(count), ha="center", va="center", fontsize=7)
    return figure
