"""What the gates ask, measured on held-out rows with the model as it will be served."""

import time
from pathlib import Path

import mlflow
import numpy as np
import torch
from torch import Tensor

from trainer.memory import Growth
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
def latency_p99_ms(model: Served, rows_ND: Tensor) -> float:
    """99th percentile of the time that the model takes for one row, in milliseconds."""
    model.eval()
    times = []
    for call in range(LATENCY_CALLS + WARM_UP):
        row_1D = rows_ND[call % len(rows_ND)][None]
        start = time.perf_counter()
        model(row_1D).cpu()
        times.append(time.perf_counter() - start)
    return float(np.quantile(times[WARM_UP:], 0.99)) * 1000


def serving_memory_mib(folder: Path, row_1D: np.ndarray, libraries_mib: float) -> float:
    """Resident memory of a process that serves a logged model one row at a
    time, in MiB, without the server around it.

    A new process that imports torch and mlflow and loads the model holds the same and takes
    seconds. So this adds up: what this one held with its libraries and no data, and by how much
    loading and predicting make it grow.
    """
    growth = Growth()
    served = mlflow.pyfunc.load_model(str(folder))
    for _ in range(WARM_UP):
        served.predict(row_1D)
    return libraries_mib + growth.peak_mib()


def confusion(labels_N: Tensor, predicted_N: Tensor, classes: int) -> np.ndarray:
    """Rows of true class by predicted class, KxK."""
    flat = (labels_N * classes + predicted_N).cpu()
    return torch.bincount(flat, minlength=classes**2).reshape(classes, classes).numpy()
