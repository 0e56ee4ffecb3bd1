"""What makes two runs the same run: the hash of all that decides the result, and of no more."""

import hashlib
import json
from functools import lru_cache

from ml_pipeline.documents.experiment import Dataset, Experiment
from ml_pipeline.documents.promotion import Promotion
from ml_pipeline.documents.receipts import Identity
from ml_pipeline.layout import SHORT

ENTRY_POINT = "python -m trainer"


def digest_of(data: object) -> str:
    """SHA-256 of data as canonical JSON, without regard to the order of its keys."""
    # Every name of a run, a rollout and a Job is one of these: other separators, another escape,
    # and all that was ever trained would be new.
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def data_identity(experiment: Experiment) -> str:
    """Identity of the data preparation that an experiment needs.

    Where its bytes are is part of it, since one environment's store is not another's; the image is
    not, since most code does not touch preparation: what does raises `dataset.preparation`.
    """
    return _data_identity(experiment.environment, experiment.dataset)


# Thousands of experiments train on a few data sets.
@lru_cache(maxsize=2**10)
def _data_identity(environment: str, dataset: Dataset) -> str:
    return digest_of(
        {
            "environment": environment,
            "dataset": dataset.model_dump(mode="json"),
            "entry_point": f"{ENTRY_POINT} prepare",
        }
    )


def run_inputs(
    experiment: Experiment, data_sha256: str, *, environment: str | None = None
) -> Identity:
    """Everything that decides the result of a run on the prepared data.

    `environment` is given where it has to be trained once more, because another one has trained it
    and keeps the model.
    """
    return Identity(
        model_type=experiment.model.type,
        image=experiment.image,
        entry_point=f"{ENTRY_POINT} train",
        parameters=experiment.parameters,
        seed=experiment.seed,
        data=data_sha256,
        topology=experiment.topology,
        environment=environment,
    )


def run_identity(inputs: Identity) -> str:
    """Identity of a run, 64 hex digits; its first ten name the receipt and the overlay."""
    return digest_of(inputs.model_dump(mode="json"))


def rollout_id(environment: str, promotion: Promotion) -> str:
    """Name of the rollout that a promotion asks for."""
    # Conditions and resources are no part of it: whoever changes them changes the rollout that
    # runs, and starts or revives none.
    decided = promotion.model_dump(mode="json", include={"model", "run", "baseline", "attempt"})
    steps = list(promotion.rollout.steps)
    return digest_of({"environment": environment, **decided, "steps": steps})[:SHORT]
