import subprocess
import sys

from tests.conftest import REPOSITORY
from trainer.memory import Growth, peak_mib, peak_of_run, resident_mib


def test_peak_is_that_of_the_container(tmp_path):
    (tmp_path / "memory.peak").write_text(f"{187 * 2**20}\n")
    assert peak_mib((tmp_path / "gone", tmp_path / "memory.peak")) == 187


def test_without_a_cgroup_it_is_that_of_the_process():
    before = peak_mib(())
    block = bytearray(64 * 2**20)
    grown = peak_mib(())
    del block
    assert before <= grown == peak_mib(())


def test_peak_of_a_run_outside_a_pod_is_its_own(tmp_path):
    assert peak_of_run(str(tmp_path / "none")) == peak_mib(())


def test_growth_is_what_is_held_at_most_from_here_on():
    held = bytearray(64 * 2**20)
    growth = Growth()
    block = bytearray(96 * 2**20)
    del block
    assert 95 <= growth.peak_mib() <= 110
    del held


def test_growth_counts_memory_that_was_used_before():
    blocks = [bytearray(2**16) for _ in range(1000)]
    del blocks
    growth = Growth()
    blocks = [bytearray(2**16) for _ in range(1000)]
    assert growth.peak_mib() > 55
    assert resident_mib() > 55
    del blocks


def test_where_the_peak_cannot_be_reset_it_is_what_is_held_now(monkeypatch, tmp_path):
    monkeypatch.setattr("trainer.memory._CLEAR", tmp_path)
    growth = Growth()
    held = bytearray(64 * 2**20)
    assert 60 <= growth.peak_mib() <= 80
    del held


def test_peak_of_the_run_survives_the_measuring_of_what_comes_after():
    block = bytearray(256 * 2**20)
    before = peak_mib(())
    del block
    Growth()
    assert peak_mib(()) >= before > 256


def test_peak_is_not_that_of_the_process_which_started_this_one():
    block = bytearray(512 * 2**20)
    code = "from trainer.memory import peak_mib; print(peak_mib(()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, check=True)  # fmt: skip
    assert int(done.stdout) < 256
    del block
