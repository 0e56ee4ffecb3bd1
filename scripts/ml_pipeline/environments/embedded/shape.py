"""Whether an object has what running it here needs: an overlay may have been edited by hand."""

from collections.abc import Sequence

from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.fields import cpu_cores, memory_bytes
from ml_pipeline.rules.kustomize.objects import Object
from ml_pipeline.rules.render.serving import RUN, TARGET


def check_shape(manifest: Object) -> None:
    """Refuse an object that lacks what running it needs.

    Raises:
        PipelineError: names the object and the key.
    """
    name = f"{manifest.get('kind')} {manifest.get('metadata', {}).get('name')}"
    try:
        if manifest["kind"] == "Job":
            _check_job(manifest)
        elif manifest["kind"] == "SeldonDeployment":
            for predictor in manifest["spec"]["predictors"]:
                _check_predictor(manifest, predictor)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise PipelineError(
            f"{name} lacks or misspells {error}; render it anew with `ml-pipeline render`"
        ) from error


def _check_job(job: Object) -> None:
    labels = job["metadata"]["labels"]
    container = job["spec"]["template"]["spec"]["containers"][0]
    _check_container(container)
    dict(labels)  # a mapping, and no text
    _require(container, ("image", "command"))


def _check_predictor(deployment: Object, predictor: Object) -> None:
    annotations = {**deployment["metadata"]["annotations"], **predictor["annotations"]}
    container = predictor["componentSpecs"][0]["spec"]["containers"][0]
    _check_container(container)
    _require(container, ("image",))
    _require(annotations, (TARGET, RUN))
    _require(predictor, ("name", "traffic"))
    _require(predictor["graph"], ("modelUri",))


def _check_container(container: Object) -> None:
    for amounts in (container["resources"]["requests"], container["resources"]["limits"]):
        cpu_cores(amounts["cpu"])
        memory_bytes(amounts["memory"])


def _require(part: Object, keys: Sequence[str]) -> None:
    """Read some keys.

    Raises:
        KeyError: one is not there.
    """
    for key in keys:
        part[key]
