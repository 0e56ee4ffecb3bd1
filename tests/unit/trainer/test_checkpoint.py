import fcntl

import pytest
import torch

from trainer.checkpoint import Checkpoints


@pytest.fixture
def checkpoints(tmp_path) -> Checkpoints:
    return Checkpoints(str(tmp_path), "a" * 64)


def test_there_is_none_at_first(checkpoints):
    assert checkpoints.load() is None


def test_state_comes_back_to_the_bit(checkpoints):
    weights = torch.randn(5)
    checkpoints.save({"epoch": 3, "model": {"w": weights}, "history": [{"loss": 0.1}]})
    state = checkpoints.load()
    assert (state["epoch"], state["history"]) == (3, [{"loss": 0.1}])
    assert torch.equal(state["model"]["w"], weights)


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[:-1], lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]), lambda raw: b""]
)
def test_damaged_checkpoint_gives_way_to_the_one_before(checkpoints, caplog, damage):
    checkpoints.save({"epoch": 1})
    checkpoints.save({"epoch": 2})
    checkpoints.newest.write_bytes(damage(checkpoints.newest.read_bytes()))
    assert checkpoints.load() == {"epoch": 1}
    assert "is damaged" in caplog.text


def test_full_disk_keeps_a_whole_checkpoint(checkpoints, monkeypatch):
    checkpoints.save({"epoch": 1})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("trainer.store.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        checkpoints.save({"epoch": 2})
    assert checkpoints.load() == {"epoch": 1}


def test_second_process_waits_for_the_first(checkpoints):
    with (
        checkpoints.locked(),
        (checkpoints.folder / "lock").open("w") as other,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
