from tests.conftest import until
from trainer.memory import note_peak, peak_mib


def test_peak_is_left_where_the_pods_status_takes_it_from(tmp_path):
    log = tmp_path / "termination-log"
    log.touch()
    note_peak(str(log))
    assert until(lambda: log.read_text().startswith("peak ") and log.read_text().endswith(" s"))


def test_outside_a_pod_nothing_is_written(tmp_path):
    note_peak(str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_peak_never_falls():
    before = peak_mib()
    block = bytearray(64 * 2**20)
    grown = peak_mib()
    del block
    assert before <= grown == peak_mib()
