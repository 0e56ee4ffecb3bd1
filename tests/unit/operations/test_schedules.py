"""What a scheduler is told of a tree."""

from ml_pipeline.operations.schedules import Schedule, read_schedules

from tests.support.recurring import NAME, PATH, recurring


def write(root, files) -> None:
    for path, raw in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(raw)


def test_only_what_has_a_schedule_is_known(tmp_path, files):
    write(tmp_path, recurring(files, promote="local"))
    found = read_schedules(tmp_path)
    expected = Schedule(NAME, "vision", "digits", "local", "0 0 * * *", "UTC", "local")
    assert (found.known, found.faults) == ((expected,), ())


def test_file_that_cannot_be_read_takes_nothing_from_the_others(tmp_path, files):
    files = recurring(files)
    broken = PATH.replace(NAME, "aaa")
    write(tmp_path, {**files, broken: files[PATH].replace(b"@daily", b"@sometimes")})
    found = read_schedules(tmp_path)
    assert [one.experiment for one in found.known] == [NAME]
    assert [(fault.path, fault.key) for fault in found.faults] == [(broken, "schedule")]


def test_tree_without_experiments_has_no_schedules(tmp_path):
    assert read_schedules(tmp_path).known == ()
