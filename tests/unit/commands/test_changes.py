from ml_pipeline.commands.changes import as_data, described, with_strays
from ml_pipeline.documents.changes import Changes

CHANGES = Changes({"b": b"", "a": b""}, frozenset({"c"}))


def test_what_is_written_comes_before_what_is_deleted():
    assert described(CHANGES) == "write   a\nwrite   b\ndelete  c"


def test_note_stands_behind_every_file():
    assert described(CHANGES, "stale").splitlines()[-1] == "delete  c  (stale)"


def test_stray_file_comes_after_what_changes():
    first, *_, last = with_strays(CHANGES, ["environments/x/training/y.yaml"]).splitlines()
    assert first == "write   a"
    assert last.startswith("stray   environments/x/training/y.yaml:1: is not what")


def test_stray_file_alone_is_not_said_to_be_current():
    assert "current" not in with_strays(Changes({}), ["environments/x/training/y.yaml"])
    assert with_strays(Changes({}), []) == "rendered files are current"


def test_programs_get_sorted_paths():
    assert as_data(CHANGES) == {"write": ["a", "b"], "delete": ["c"]}
