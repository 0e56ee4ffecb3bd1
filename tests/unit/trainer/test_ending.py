import threading

from tests.conftest import until
from trainer.ending import leave_reason, note_peak, one_line, termination_log


def test_peak_is_left_where_the_pods_status_takes_it_from(tmp_path):
    log = tmp_path / "termination-log"
    log.touch()
    note_peak(log)
    assert until(lambda: log.read_text().startswith("peak ") and log.read_text().endswith(" s"))


def test_reason_stays_below_the_peak(tmp_path):
    log = tmp_path / "termination-log"
    log.touch()
    note_peak(log)
    until(log.read_text)
    leave_reason(log, "cannot work: x")
    before = log.read_text()
    until(lambda: log.read_text() != before)
    assert log.read_text().startswith("peak ")
    assert log.read_text().endswith(" s\ncannot work: x")


def test_reason_is_kept_without_a_peak(tmp_path):
    log = tmp_path / "termination-log"
    log.touch()
    leave_reason(log, "cannot work: x")
    assert log.read_text().splitlines() == ["", "cannot work: x"]


def test_several_processes_write_whole_lines(tmp_path):
    log = tmp_path / "termination-log"
    log.touch()
    writers = [
        threading.Thread(target=leave_reason, args=(log, letter * 300)) for letter in "abcdef"
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert log.read_text().splitlines()[1] in [letter * 300 for letter in "abcdef"]


def test_outside_a_pod_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv("TERMINATION_LOG", str(tmp_path / "none"))
    assert termination_log() is None
    note_peak(None)
    leave_reason(None, "x")
    assert list(tmp_path.iterdir()) == []


def test_reason_is_one_line_of_300_characters():
    assert one_line("a\n  b\tc") == "a b c"
    assert len(one_line("x" * 10_000)) == 300
    assert one_line("x" * 10_000).endswith("...")
