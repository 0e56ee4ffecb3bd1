import signal

import pytest
from ml_pipeline.environments.embedded import loop


@pytest.fixture
def quick_loop(monkeypatch):
    """The loop without its pauses; the signal handlers of the test runner come back afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    monkeypatch.setattr(loop, "STALLED_SECONDS", 0.0)
    monkeypatch.setattr(loop, "TICK_SECONDS", 0.0)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
