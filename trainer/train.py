"""Training, read top to bottom: data, model, resume, loop, gates,
model into MLflow. Letters as in models.py."""

import logging
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import torch
import torch._inductor  # loading an exported model imports it, 70 MiB: LIBRARIES_MIB has to hold it
from mlflow.models import ModelSignature, infer_signature
from torch import Tensor

from trainer import finished, group, plots, stopping, tracking
from trainer.checkpoint import Checkpoints
from trainer.config import Config, DivergedError, rank, world
from trainer.evaluate import confusion, evaluate, latency_p99_ms, serving_memory_mib
from trainer.memory import peak_of_run, resident_mib
from trainer.models import Served, build
from trainer.prepare import SHORT, Prepared, unpack
from trainer.store import folder_sha256

log = logging.getLogger("trainer")
_NOT_PARAMETERS = ("around", "command", "source", "sha256", "holdout")
THREADS = 1  # one thread sums in one order: the same loss on every machine
LIBRARIES_MIB = resident_mib()  # before there is any data


def train(config: Config) -> int:
    """Train the run to its end, from its checkpoint if there is one; a
    run that is finished is not trained again."""
    tracking.wait_for(config.around.tracking_uri)
    checkpoints = Checkpoints(config.around.checkpoints, config.around.identity)
    if rank() > 0:
        return 0 if _finished(config) else _train(config, checkpoints)
    with checkpoints.locked():
        # Whoever held the lock may have finished it meanwhile.
        code = 0 if _finished(config) else _train(config, checkpoints)
    if code == 0:
        finished.say(config)
    return code


def _finished(config: Config) -> bool:
    word = finished.known(config)
    if word:
        short, run = word.identity[:SHORT], word.mlflow_run
        log.info("run %s has been trained already, as MLflow run %s: nothing to do", short, run)
    return word is not None


# ---- setup ---------------------------------------------------------------------------------------


@dataclass
class Session:
    """One process of a run. `state` is what a checkpoint holds
    beside model, optimizer and random numbers."""

    config: Config
    data: Prepared
    model: Served
    optimizer: torch.optim.Optimizer
    checkpoints: Checkpoints
    state: dict[str, Any]
    since: float = field(default_factory=time.monotonic)

    def save(self) -> None:
        """Write a checkpoint of this moment."""
        self.state["seconds"] += time.monotonic() - self.since
        self.since = time.monotonic()
        if rank() == 0:
            parts = {
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "random": torch.get_rng_state(),
            }
            self.checkpoints.save({**self.state, **parts, "config": _plain(self.config)})

    def resume(self) -> None:
        """Go back to the newest checkpoint, if there is one."""
        saved = self.checkpoints.load()
        if saved is None:
            return
        self.model.load_state_dict(saved.pop("model"))
        self.optimizer.load_state_dict(saved.pop("optimizer"))
        torch.set_rng_state(saved.pop("random"))
        saved.pop("config")
        self.state = saved
        log.info("resuming at epoch %d, batch %d", saved["epoch"] + 1, saved["batch"])


def _train(config: Config, checkpoints: Checkpoints) -> int:
    torch.set_num_threads(THREADS)
    torch.manual_seed(config.seed)
    torch.use_deterministic_algorithms(not torch.cuda.is_available())
    device = (
        torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        if torch.cuda.is_available()
        else torch.device("cpu")
    )
    group.join(device, lambda: _finished(config))
    data = unpack(config.around.data_uri, config.around.data_sha256)
    model = _model(config, data).to(device)
    if device.type == "cuda" and config.channels_last and data.train_ND.ndim == 4:
        # torch's stubs miss it
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    session = Session(config, data, model, optimizer, checkpoints, _fresh())
    session.resume()
    stopping.save_first()
    code = _lead(session) if rank() == 0 else _follow(session)
    group.leave()
    return code


def _lead(session: Session) -> int:
    """The process that speaks with MLflow and leaves the receipt."""
    config, state = session.config, session.state
    run = state["mlflow_run"] = tracking.open_run(config, state["mlflow_run"])
    mlflow.log_params({k: v for k, v in asdict(config).items() if k not in _NOT_PARAMETERS})
    tracking.log_dataset(run, config, len(session.data.train_labels_N))
    monitor = _system_metrics(run)
    try:
        is_whole = _loop(session)
    finally:
        monitor.finish()
    if not is_whole:
        tracking.interrupt_run()
        return stopping.TERMINATED
    _finish(session)
    return 0


def _follow(session: Session) -> int:
    """Another process of a distributed run. It stays until the receipt is
    there: alone, the first could not go on."""
    return 0 if _loop(session) else stopping.TERMINATED


def _fresh() -> dict[str, Any]:
    return {
        "epoch": 0,
        "batch": 0,
        "loss_sum": 0.0,
        "seconds": 0.0,
        "history": [],
        "mlflow_run": None,
        "started": _now(),
    }


def _model(config: Config, data: Prepared) -> Served:
    rows_ND = torch.from_numpy(data.train_ND)
    axes = (0, 2, 3) if rows_ND.ndim == 4 else (0,)
    mean = rows_ND.mean(dim=axes).reshape(-1, *(1,) * (rows_ND.ndim - 2))
    std = rows_ND.std(dim=axes).clamp_min(1e-6).reshape(mean.shape)
    network = build(
        config.model_type, data.train_ND.shape[1:], data.classes, config.hidden, config.dropout
    )
    return Served(network, mean, std)


# ---- loop ----------------------------------------------------------------------------------------


def _loop(session: Session) -> bool:
    """Train until the last epoch; False if SIGTERM came first."""
    config, data, state = session.config, session.data, session.state
    device = next(session.model.parameters()).device
    rows_ND = torch.from_numpy(data.train_ND).to(device)
    labels_N = torch.from_numpy(data.train_labels_N).to(device)
    held_MD = torch.from_numpy(data.holdout_MD).to(device)
    held_labels_M = torch.from_numpy(data.holdout_labels_M).to(device)
    scores = session.model.logits
    if config.compile and device.type == "cuda":
        scores = torch.compile(scores)
    while state["epoch"] < config.epochs:
        if not _epoch(session, scores, rows_ND, labels_N):
            return False
        _end_epoch(session, evaluate(session.model, held_MD, held_labels_M), len(labels_N))
    return True


def _epoch(
    session: Session, scores: Callable[[Tensor], Tensor], rows_ND: Tensor, labels_N: Tensor
) -> bool:
    """Go on with an epoch from its next batch to its end; False if SIGTERM came first."""
    config, optimizer, state = session.config, session.optimizer, session.state
    device = rows_ND.device
    half = config.precision == "bfloat16" and device.type == "cuda"
    session.model.train()
    for number, rows_B in _batches(config, len(labels_N), state["epoch"], state["batch"]):
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            loss = torch.nn.functional.cross_entropy(scores(rows_ND[rows_B]), labels_N[rows_B])
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        group.average_gradients(session.model)
        optimizer.step()
        state["loss_sum"] += loss.item() * len(rows_B)
        state["batch"] = number + 1
        # All processes have to leave at the same batch, or the others would wait for ever.
        stops, diverged = group.agree(device, stopping.stopped(), not math.isfinite(loss.item()))
        if diverged:
            raise _diverged("loss", state["epoch"])
        if stops:
            session.save()
            log.info(
                "stopped by SIGTERM in epoch %d, batch %d; checkpoint written",
                state["epoch"] + 1,
                state["batch"],
            )
            return False
        if time.monotonic() - session.since > config.checkpoint_seconds:
            session.save()
    return True


def _end_epoch(session: Session, held: tuple[float, float, Tensor], rows: int) -> None:
    """Keep what an epoch over some rows has come to, and its checkpoint."""
    state = session.state
    held_loss, accuracy, _ = held
    if not math.isfinite(held_loss):
        raise _diverged("held-out loss", state["epoch"])
    metrics = {
        "train_loss": state["loss_sum"] * world() / rows,
        "holdout_loss": held_loss,
        "holdout_accuracy": accuracy,
    }
    state["history"].append(metrics)
    state |= {"epoch": state["epoch"] + 1, "batch": 0, "loss_sum": 0.0}
    # Saved before it is told: what is told twice after a kill has the same step and value.
    session.save()
    if rank() == 0:
        mlflow.log_metrics(metrics, step=state["epoch"])
        log.info(
            "epoch %d/%d train_loss %.6f holdout_accuracy %.4f",
            state["epoch"],
            session.config.epochs,
            metrics["train_loss"],
            accuracy,
        )


def _batches(config: Config, rows: int, epoch: int, start: int) -> Iterator[tuple[int, Tensor]]:
    """This process's share of each batch of an epoch, from a batch on;
    the order depends on seed and epoch alone."""
    order_N = np.random.default_rng((config.seed, epoch)).permutation(rows)
    for number, first in enumerate(range(0, rows, config.batch_size)):
        batch_B = torch.from_numpy(order_N[first : first + config.batch_size])
        if number >= start and len(batch_B) >= world():
            yield number, batch_B[rank() :: world()]


def _diverged(what: str, epoch: int) -> DivergedError:
    return DivergedError(
        f"{what} is not finite in epoch {epoch + 1}; lower parameters.learning_rate, or scale the "
        "features"
    )


# ---- result --------------------------------------------------------------------------------------


def _finish(session: Session) -> None:
    """Measure the gates, log plots and the model, and leave the receipt."""
    config, data, state, model = session.config, session.data, session.state, session.model.cpu()
    rows_ND, labels_N = torch.from_numpy(data.holdout_MD), torch.from_numpy(data.holdout_labels_M)
    loss, accuracy, predicted_N = evaluate(model, rows_ND, labels_N)
    latency = latency_p99_ms(model, rows_ND)
    stored, signature, memory = _log_model(model, data.holdout_MD[:2])
    metrics = {
        **state["history"][-1],
        "holdout_loss": loss,
        "holdout_accuracy": accuracy,
        "gate_accuracy": accuracy,
        "gate_latency_p99_ms": latency,
        "gate_memory_mb": memory,
    }
    mlflow.log_metrics(metrics, step=config.epochs)
    mlflow.log_figure(plots.learning_curve(state["history"]), "learning_curve.png")
    mlflow.log_figure(
        plots.confusion_matrix(confusion(labels_N, predicted_N, data.classes)),
        "confusion_matrix.png",
    )
    receipt = {
        "metrics": {k: round(v, 6) for k, v in metrics.items()},
        "signature": signature,
        "artifact": stored,
        "started": state["started"],
        "duration_s": round(state["seconds"] + time.monotonic() - session.since, 1),
        "peak_memory_mb": peak_of_run(),
        "mlflow_run": state["mlflow_run"],
    }
    finished.keep(config, state["mlflow_run"], tracking.leave_receipt(receipt))
    log.info("finished: accuracy %.4f, model sha256 %s", accuracy, stored["sha256"])


def _log_model(
    model: Served, example_BD: np.ndarray
) -> tuple[dict[str, Any], dict[str, str] | None, float]:
    """Where the model lies below the artifact store with its digest; what it takes and gives, None
    if it does not say; and MiB to serve it."""
    with torch.no_grad():
        signature = infer_signature(example_BD, model(torch.from_numpy(example_BD)).numpy())
    requirements = [f"torch=={torch.__version__.split('+')[0]}", f"mlflow=={mlflow.__version__}"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model")
        with tracking.logged_model(path) as (description, location):
            mlflow.pytorch.save_model(
                model.eval(),
                path,
                mlflow_model=description,
                signature=signature,
                input_example=example_BD,
                pip_requirements=requirements,
            )
            # Of what is here, before anybody else can touch it.
            digest, size = folder_sha256(path)
        memory = serving_memory_mib(path, example_BD[:1], LIBRARIES_MIB)
    stored = {"uri": f"mlflow/{location.removeprefix('mlflow-artifacts:/')}", "sha256": digest}
    return {**stored, "bytes": size}, _described(description.signature), memory


def _described(signature: ModelSignature | None) -> dict[str, str] | None:
    """Each tensor of a signature as `float32 [-1, 1, 8, 8]`, with -1 for any number of rows."""
    if signature is None:
        return None
    parts = {"inputs": signature.inputs, "outputs": signature.outputs}
    return {
        name: ", ".join(f"{tensor.type} {list(tensor.shape)}" for tensor in schema.inputs)
        for name, schema in parts.items()
    }


# ---- small things --------------------------------------------------------------------------------


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _plain(config: Config) -> dict[str, Any]:
    values = asdict(config)
    return {**values, "image_digest": values["around"]["image_digest"]}


def _system_metrics(run: str) -> Any:
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    monitor = SystemMetricsMonitor(run, sampling_interval=2, samples_before_logging=1)
    monitor.start()
    return monitor
