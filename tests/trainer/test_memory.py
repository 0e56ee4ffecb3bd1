from tests.conftest import until
from trainer.memory import note_peak, peak_mib, peak_of_run


def test_peak_is_left_where_the_pods_status_takes_it_from(tmp_path):
    log = tmp_path / "termination-log"
    log.touch()
    note_peak(str(log))
    assert until(lambda: log.read_text().startswith("peak ") and log.read_text().endswith(" s"))


def test_outside_a_pod_nothing_is_written(tmp_path):
    note_peak(str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


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
