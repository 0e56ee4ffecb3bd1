"""A switch for tests alone: a review that looks at everything, whatever the change reaches."""

from contextlib import contextmanager

import pytest
from ml_pipeline.operations import review
from ml_pipeline.rules.render.reach import Reach


@contextmanager
def looking_at(reach):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(review, "reach_of", reach)
        yield


def everything(changed, *, code) -> Reach:
    return Reach(frozenset(changed), everything=True)
