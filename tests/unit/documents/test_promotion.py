import pytest
from ml_pipeline.documents.promotion import Rollout
from pydantic import ValidationError


@pytest.mark.parametrize("steps", [(100,), (1, 100), (10, 50, 100)])
def test_rising_steps_to_100_are_taken(steps):
    assert Rollout(steps=steps).steps == steps


@pytest.mark.parametrize("steps", [(), (50,), (50, 10, 100), (10, 10, 100), (0, 100), (10, 101)])
def test_other_steps_are_refused(steps):
    with pytest.raises(ValidationError):
        Rollout(steps=steps)
