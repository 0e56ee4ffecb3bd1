"""GitOps for machine learning.

Experiments and promotions are YAML files, Flux applies them, `git revert` rolls back.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ml_pipeline.client import PipelineClient

__all__ = ["PipelineClient"]


# Only when it is asked for: `ml-pipeline --help` must not pay for the client's imports.
def __getattr__(name: str) -> "type[PipelineClient]":
    if name == "PipelineClient":
        from ml_pipeline.client import PipelineClient

        return PipelineClient
    raise AttributeError(name)
