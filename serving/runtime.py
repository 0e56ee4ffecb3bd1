"""MLflow's runtime of MLServer, which tells callers apart from models: what the
model does not take is a 400 with the reason.

MLServer 1.7.1 answers such a request with 500, as if the model had failed, and
a canary would be judged by its callers.
"""

from typing import Any

import numpy as np
from mlflow.exceptions import MlflowException
from mlserver.codecs.numpy import to_datatype
from mlserver.errors import InferenceError, MLServerError
from mlserver.logging import logger
from mlserver.types import Datatype, InferenceRequest, InferenceResponse
from mlserver_mlflow import MLflowRuntime
from mlserver_mlflow.codecs import TensorDictCodec

from serving.requests import Tensor, described, fault

WARM_UPS = 3
# Error codes with which MLflow says that the caller is wrong, not the model.
CALLERS_FAULTS = {"BAD_REQUEST", "INVALID_PARAMETER_VALUE"}
# What the models of this process take, in words, for answers to requests that no model has seen.
taken: dict[str, str] = {}


# MLServer is not installed where types are checked
class ModelRuntime(MLflowRuntime):  # type: ignore[misc]
    """Serves an MLflow model; see the module."""

    async def load(self) -> bool:
        """Load the model, read what it takes, and let it answer a few times before it is ready."""
        await super().load()
        self._takes = _tensors(self._signature)
        if self._takes:
            taken[self.name] = described(self._takes)
        self._warm_up()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer a request of the v2 protocol.

        Raises:
            InferenceError: the model does not take it; MLServer answers 400.
        """
        parameters = payload.parameters.model_extra if payload.parameters else None
        rows = self._decoded(payload)
        try:
            output = self._model.predict(rows, params=parameters or None)
        except MlflowException as error:
            if error.error_code not in CALLERS_FAULTS:
                raise
            raise InferenceError(self._refusal(_first_line(error))) from error
        return self.encode_response(output, default_codec=TensorDictCodec)

    def _decoded(self, payload: InferenceRequest) -> Any:
        sent = [Tensor(i.name, Datatype(i.datatype).value, tuple(i.shape)) for i in payload.inputs]
        found = fault(sent, self._takes) if self._takes else ""
        if found:
            raise InferenceError(found)
        try:
            rows = self.decode_request(payload)
        except (ValueError, TypeError, LookupError, AttributeError, MLServerError) as error:
            reason = "the data do not fill the shapes with values of their datatypes"
            raise InferenceError(self._refusal(reason)) from error
        if self._takes and not isinstance(rows, np.ndarray | dict):
            raise InferenceError(
                self._refusal("the content_type is none of a tensor; leave it out")
            )
        return rows

    def _refusal(self, reason: str) -> str:
        return f"{reason}; {described(self._takes)}" if self._takes else reason

    def _warm_up(self) -> None:
        """The first answers of a process are slow. A model that fails
        here is judged by its callers' requests."""
        rows = self._model.input_example
        if rows is None and self._signature and self._signature.inputs.is_tensor_spec():
            rows = _zeros(self._signature.inputs)
        if rows is None:
            return
        try:
            for _ in range(WARM_UPS):
                self._model.predict(rows)
        except Exception:  # noqa: BLE001  any code may be inside a model
            logger.warning("%s does not answer its own example", self.name, exc_info=True)


def _tensors(signature: Any) -> list[Tensor]:
    """What a signature of tensors takes; nothing is known for sure
    of one of columns, which MLflow converts."""
    if signature is None or not signature.inputs.is_tensor_spec():
        return []
    return [
        Tensor(spec.name or "", Datatype(to_datatype(spec.type)).value, tuple(spec.shape))
        for spec in signature.inputs.inputs
    ]


def _zeros(schema: Any) -> Any:
    """One row of zeros of each tensor."""
    rows = {
        spec.name: np.zeros([max(length, 1) for length in spec.shape], spec.type)
        for spec in schema.inputs
    }
    return rows if schema.has_input_names() else rows[None]


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
