import pytest
from ml_pipeline.adapters.git.plumbing import RawChange, batch, git, raw_changes, texts
from ml_pipeline.adapters.processes import ProgramError

ID = "a" * 40


def test_objects_of_a_batch_may_hold_what_parts_them():
    odd = f"{ID} blob 3\n".encode()
    raw = b"%s blob %d\n%s\n" % (ID.encode(), len(odd), odd) + b"HEAD:gone missing\n"
    raw += f"{ID} blob 0\n\n".encode()
    assert list(batch(raw, 3)) == [odd, None, b""]


def test_batch_that_was_cut_off_is_no_answer():
    with pytest.raises(ValueError, match="not found"):
        list(batch(f"{ID} blob 0\n\n".encode(), 2))


def test_names_may_hold_anything_but_a_nul():
    assert texts(b"a\nb\0\xff\t\0") == ["a\nb", "\udcff\t"]
    assert texts(b"") == []


def test_difference_is_told_path_by_path():
    raw = f":100644 100755 {ID} {'0' * 40} M\0a b\0".encode()
    assert list(raw_changes(raw)) == [RawChange("a b", "100755", ID, "0" * 40, "M")]


def test_refusal_names_the_command(tmp_path):
    with pytest.raises(ProgramError, match=r"`git log` ended with 128: fatal: not a git"):
        git(tmp_path, "log")
