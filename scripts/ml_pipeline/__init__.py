"""GitOps for machine learning: experiments and promotions are YAML files, Flux applies them, `git revert` rolls back."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ml_pipeline.client import PipelineClient

__all__ = ["PipelineClient"]


def __getattr__(
    name: str,
) -> Any:  # lazy: `ml-pipeline --help` must not pay for the client's imports
    if name == "PipelineClient":
        from ml_pipeline.client import PipelineClient

        return PipelineClient
    raise AttributeError(name)
