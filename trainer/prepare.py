"""Data preparation: one file with training and held-out rows, its
digest and the statistics for the receipt."""

import hashlib
import io
import logging
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainer import finished, tracking
from trainer.config import Config, ConfigError, DataError
from trainer.rows import Table
from trainer.sources import load
from trainer.store import fetch, put

log = logging.getLogger("trainer")
# What preparing makes of a source, by version: whoever changes the bytes that `pack` writes adds
# one, and experiments that want it say so. An older version may go, a known one may not change its
# meaning; tests freeze the bytes.
PREPARATIONS = (1,)
SPLIT_SEED = 0
SHORT = 10


@dataclass(frozen=True)
class Prepared:
    """The rows as they are stored. D is the shape of one row."""

    train_ND: np.ndarray
    train_labels_N: np.ndarray
    holdout_MD: np.ndarray
    holdout_labels_M: np.ndarray

    @property
    def classes(self) -> int:
        """Number of labels, counted from 0."""
        return int(max(self.train_labels_N.max(), self.holdout_labels_M.max())) + 1


def prepare(config: Config) -> int:
    """Prepare the source, store it below the artifact store, and leave its receipt in MLflow.

    Raises:
        ConfigError: this code does not make the version that was asked for.
    """
    if config.preparation not in PREPARATIONS:
        known = ", ".join(map(str, PREPARATIONS))
        raise ConfigError(
            f"--preparation {config.preparation}: this image makes {known}; change "
            "dataset.preparation, or pin another image"
        )
    tracking.wait_for(config.around.tracking_uri)
    if word := finished.known(config):
        log.info("data %s is prepared already", word.identity[:SHORT])
        finished.say(config)
        return 0
    table = load(config.source, config.sha256)
    content = pack(table, config.holdout)
    path = f"data/{config.around.identity[:SHORT]}.npz"
    put(f"{config.around.artifacts_uri}/{path}", content)
    stored = {"uri": path, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    receipt = {"data": stored, **describe(table, config.holdout), "labels": list(table.classes)}
    run = tracking.open_run(config)
    finished.keep(config, run, tracking.leave_receipt(receipt))
    finished.say(config)
    log.info("prepared %d rows of %s, sha256 %s", receipt["rows"], config.source, stored["sha256"])
    return 0


def pack(table: Table, holdout: float) -> bytes:
    """The prepared file: rows shuffled once by a fixed seed, the last
    share held out; the same bytes every time."""
    rows = len(table.labels_N)
    kept = held_out(rows, holdout)
    if not 0 < kept < rows:
        raise DataError(
            f"{rows} rows cannot be split with a holdout of {holdout:g}: one side would be empty; "
            "add rows"
        )
    order = np.random.default_rng(SPLIT_SEED).permutation(rows)
    train, held = order[:-kept], order[-kept:]
    buffer = io.BytesIO()
    np.savez(
        buffer,
        train=table.features_ND[train],
        train_labels=table.labels_N[train],
        holdout=table.features_ND[held],
        holdout_labels=table.labels_N[held],
    )
    return buffer.getvalue()


def unpack(uri: str, sha256: str) -> Prepared:
    """The prepared file at an address, its digest checked."""
    arrays = np.load(io.BytesIO(fetch(uri, sha256)), allow_pickle=False)
    return Prepared(
        arrays["train"], arrays["train_labels"], arrays["holdout"], arrays["holdout_labels"]
    )


def held_out(rows: int, holdout: float) -> int:
    """Rows kept for the gates."""
    return round(rows * holdout)


def describe(table: Table, holdout: float) -> dict[str, Any]:
    """Schema and statistics: one entry a feature of a table, one a pixel
    or channel of images, one for the label."""
    features, rows = table.features_ND, len(table.labels_N)
    flat = (
        features.reshape(rows, -1)
        if features[0].size <= len(table.names)
        else features.transpose(0, 2, 3, 1).reshape(-1, features.shape[1])
    )
    columns = [_column(name, flat[:, number]) for number, name in enumerate(table.names)]
    columns.append(_column("label", table.labels_N))
    return {
        "rows": rows,
        "holdout_rows": held_out(rows, holdout),
        "shape": list(features.shape[1:]),
        "classes": int(table.labels_N.max()) + 1,
        "columns": columns,
    }


def _column(name: str, values_N: np.ndarray) -> dict[str, Any]:
    # In float64: sums and squares of large float32 values are beyond float32.
    wide = values_N.astype(np.float64)
    numbers = {"min": wide.min(), "max": wide.max(), "mean": wide.mean(), "std": wide.std()}
    return {
        "name": name,
        "dtype": str(values_N.dtype),
        **{k: round(float(v), 6) for k, v in numbers.items()},
    }
