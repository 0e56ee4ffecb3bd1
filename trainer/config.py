"""Everything a Job can be told, in one place: arguments decide
the result, environment variables do not."""

import argparse
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, NoReturn

MODEL_TYPES = ("mlp", "cnn", "resnet18", "resnet50")


class ConfigError(Exception):
    """The configuration can never work."""


class DataError(Exception):
    """The data is not what was declared."""


class LoginError(Exception):
    """The MLflow server does not let us in."""


class DivergedError(Exception):
    """The training has left the finite numbers; the same seed leads there again."""


def rank() -> int:
    """Number of this process of a distributed run, RANK as
    torch.distributed.run sets it; 0 of a single one."""
    return int(os.environ.get("RANK", "0"))


def world() -> int:
    """Number of processes of the run, WORLD_SIZE."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def _option(description: str, default: Any = None, choices: tuple[str, ...] = ()) -> Any:
    return field(default=default, metadata={"help": description, "choices": choices})


@dataclass(frozen=True)
class Surroundings:
    """Where the Job runs; read from environment variables."""

    identity: str
    """IDENTITY: 64 hex digits that name the run or the data."""
    tracking_uri: str
    """MLFLOW_TRACKING_URI: address of the MLflow server."""
    artifacts_uri: str
    """ARTIFACTS_URI: root of the artifact store; MLflow keeps
    its artifacts in its folder `mlflow`."""
    checkpoints: str
    """CHECKPOINTS: folder that outlives the pod."""
    image_digest: str
    """IMAGE_DIGEST: the code that runs, for the record."""
    data_uri: str
    """DATA_URI: the prepared data; empty when preparing."""
    data_sha256: str
    """DATA_SHA256: its digest; empty when preparing."""


@dataclass(frozen=True)
class Config:
    """The arguments of one command."""

    command: Literal["prepare", "train"]
    around: Surroundings
    source: str = _option("address of the source data, bundled://, file://, s3:// or https://", "")
    sha256: str = _option("SHA-256 of the source, 64 hex digits", "")
    holdout: float = _option("share of rows kept for the gates, 0 to 0.9", 0.2)
    preparation: int = _option("version of what preparing makes, one that this code knows", 1)
    experiment: str = _option("name of the experiment, for MLflow", "unnamed")
    model_name: str = _option("name of the model, for MLflow", "unnamed")
    model_type: str = _option("architecture", "mlp", MODEL_TYPES)
    epochs: int = _option("passes over the training rows, at least 1", 1)
    batch_size: int = _option("rows per optimizer step over all processes, at least 1", 64)
    learning_rate: float = _option("step size of AdamW, above 0", 0.001)
    weight_decay: float = _option("decoupled weight decay, at least 0", 0.0)
    hidden: int = _option("width of hidden layers or first channels, at least 1", 64)
    dropout: float = _option("share of activations dropped, 0 to below 1", 0.0)
    precision: str = _option(
        "arithmetic on a GPU; a CPU always computes in float32", "float32", ("float32", "bfloat16")
    )
    channels_last: bool = _option("memory layout of images on a GPU", default=True)
    compile: bool = _option("torch.compile on a GPU", default=False)
    seed: int = _option("seed of every random choice, 0 to 2**31-1", 0)
    checkpoint_seconds: float = _option(
        "longest time between checkpoints, seconds; one is written after every epoch too", 60.0
    )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(message)


def parse(arguments: list[str], environ: Mapping[str, str] = os.environ) -> Config:
    """The configuration of a Job.

    Raises:
        ConfigError: an argument or variable is unknown, missing or out of range.
    """
    parser = _Parser(prog="python -m trainer", allow_abbrev=False)
    parser.add_argument("command", choices=("prepare", "train"))
    for option in fields(Config)[2:]:
        kind = _boolean if option.type is bool else option.type
        choices = option.metadata["choices"] or None
        parser.add_argument(
            f"--{option.name.replace('_', '-')}",
            type=kind,
            default=option.default,
            choices=choices,
            help=option.metadata["help"],
        )
    values = vars(parser.parse_args(arguments))
    config = Config(around=_surroundings(environ), **values)
    _check(config)
    return config


def _boolean(text: str) -> bool:
    if text not in ("True", "False"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither True nor False")
    return text == "True"


def _surroundings(environ: Mapping[str, str]) -> Surroundings:
    required = {
        "identity": "IDENTITY",
        "tracking_uri": "MLFLOW_TRACKING_URI",
        "artifacts_uri": "ARTIFACTS_URI",
        "checkpoints": "CHECKPOINTS",
    }
    missing = [name for name in required.values() if not environ.get(name)]
    if missing:
        raise ConfigError(
            f"environment variables {', '.join(missing)} are not set; the Job must set them"
        )
    if not re.fullmatch("[0-9a-f]{64}", environ["IDENTITY"]):
        raise ConfigError(f"IDENTITY {environ['IDENTITY']!r} must be 64 hex digits")
    optional = {
        "image_digest": "IMAGE_DIGEST",
        "data_uri": "DATA_URI",
        "data_sha256": "DATA_SHA256",
    }
    return Surroundings(
        **{k: environ[v] for k, v in required.items()},
        **{k: environ.get(v, "") for k, v in optional.items()},
    )


def _check(config: Config) -> None:
    rules = {
        "epochs": config.epochs >= 1,
        "batch_size": config.batch_size >= 1,
        "learning_rate": config.learning_rate > 0,
        "weight_decay": config.weight_decay >= 0,
        "hidden": config.hidden >= 1,
        "dropout": 0 <= config.dropout < 1,
        "holdout": 0 < config.holdout < 0.9,
        "seed": 0 <= config.seed < 2**31,
    }
    wrong = [name for name, holds in rules.items() if not holds]
    if wrong:
        described = {option.name: option.metadata.get("help", "") for option in fields(Config)}
        raise ConfigError(
            "; ".join(
                f"--{n.replace('_', '-')} {getattr(config, n)}: {described[n]}" for n in wrong
            )
        )
    if config.command == "prepare" and not config.source:
        raise ConfigError("--source is missing: where the data comes from")
    if config.command == "train" and not (config.around.data_uri and config.around.data_sha256):
        raise ConfigError(
            "environment variables DATA_URI and DATA_SHA256 are not set; the Job must set them"
        )
