"""What the gates ask, measured on held-out rows with the model as it will be served."""

import resource
import time

import numpy as np
import torch
from torch import Tensor

from trainer.models import Served

LATENCY_CALLS, WARM_UP = 200, 20


@torch.no_grad()
def evaluate(
    model: Served, rows_ND: Tensor, labels_N: Tensor, batch: int = 1024
) -> tuple[float, float, Tensor]:
    """Mean loss, accuracy and predicted classes on some rows."""
    model.eval()
    logits_NK = torch.cat([model.logits(rows) for rows in torch.split(rows_ND, batch)]).float()
    predicted_N = logits_NK.argmax(dim=1)
    loss = torch.nn.functional.cross_entropy(logits_NK, labels_N)
    return loss.item(), (predicted_N == labels_N).float().mean().item(), predicted_N


@torch.no_grad()
def gates(model: Served, rows_ND: Tensor, accuracy: float) -> dict[str, float]:
    """Accuracy, p99 latency of one row in milliseconds, and peak resident memory in megabytes."""
    model.eval()
    times = []
    for call in range(LATENCY_CALLS + WARM_UP):
        row_1D = rows_ND[call % len(rows_ND)][None]
        start = time.perf_counter()
        model(row_1D).cpu()
        times.append(time.perf_counter() - start)
    p99 = float(np.quantile(times[WARM_UP:], 0.99)) * 1000
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "gate_accuracy": round(accuracy, 6),
        "gate_latency_p99_ms": round(p99, 3),
        "gate_memory_mb": round(peak, 1),
    }


def confusion(labels_N: Tensor, predicted_N: Tensor, classes: int) -> np.ndarray:
    """Rows of true class by predicted class, KxK."""
    flat = (labels_N * classes + predicted_N).cpu()
    return torch.bincount(flat, minlength=classes**2).reshape(classes, classes).numpy()
