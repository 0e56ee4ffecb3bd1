import pytest
from hypothesis import given
from hypothesis import strategies as st
from ml_pipeline.documents.changes import Changes, Step, applied, differing

# Few names, so that what one change writes the other deletes or writes again.
PATHS = st.sampled_from(["a", "a/b", "c", "d/e"])
TREES = st.dictionaries(PATHS, st.sampled_from([b"", b"1", b"2"]))
CHANGES = st.builds(Changes, TREES, st.frozensets(PATHS))


@given(TREES, CHANGES, CHANGES)
def test_both_changes_are_one_after_the_other(files, first, second):
    assert applied(files, first | second) == applied(applied(files, first), second)


@given(TREES, CHANGES, CHANGES, CHANGES)
def test_it_does_not_matter_which_of_three_are_put_together_first(files, one, two, three):
    assert applied(files, (one | two) | three) == applied(files, one | (two | three))


@given(TREES, TREES)
def test_writing_what_differs_brings_a_tree_to_what_is_wanted(files, wanted):
    written = differing(files, wanted)
    assert applied(files, Changes(written)) == {**files, **wanted}
    assert not written.items() & files.items(), "what is there already is not written again"


@given(TREES, TREES)
def test_tree_that_was_brought_up_to_date_differs_no_more(files, wanted):
    assert differing(applied(files, Changes(differing(files, wanted))), wanted) == {}


@given(TREES, CHANGES)
def test_tree_that_changes_apply_to_stays_as_it_was(files, changes):
    before = dict(files)
    applied(files, changes)
    assert files == before


@pytest.mark.parametrize(
    ("changes", "is_any"),
    [
        (Changes({}), False),
        (Changes({"a": b""}), True),
        (Changes({}, frozenset({"a"})), True),
    ],
)
def test_changes_are_true_where_they_write_or_delete(changes, is_any):
    assert bool(changes) is is_any


def test_file_in_both_lists_is_deleted():
    assert applied({"a": b"1"}, Changes({"a": b"2"}, frozenset({"a"}))) == {}


def test_file_that_is_not_there_can_be_deleted():
    assert applied({"a": b"1"}, Changes({}, frozenset({"b"}))) == {"a": b"1"}


def test_message_of_a_commit_has_an_empty_line_after_its_subject():
    assert Step(Changes({}), "Record a", "Because.").message == "Record a\n\nBecause.\n"
