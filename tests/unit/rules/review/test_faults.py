import re

import pytest
from ml_pipeline.documents.faults import InvalidDocumentsError
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.rules.review.faults import document_faults

from tests.conftest import FIXTURES, REPOSITORY, folder

INVALID = sorted((FIXTURES / "invalid").glob("*.yaml"))


def faults(files) -> list[str]:
    try:
        return [str(fault) for fault in document_faults(load_snapshot(files))]
    except InvalidDocumentsError as error:
        return [str(fault) for fault in error.faults]


def declared(raw: bytes) -> tuple[str, list[str]]:
    """Where the fixture belongs in the valid tree, and the messages that it must give."""
    head = [
        line.decode() for line in raw.splitlines() if line.startswith((b"# path: ", b"# message: "))
    ]
    return head[0].removeprefix("# path: "), [line.removeprefix("# message: ") for line in head[1:]]


def test_valid_tree_has_no_fault(files):
    assert faults(files) == []


def test_shipped_tree_has_no_fault():
    assert (
        faults(
            {
                k: v
                for part in ("experiments", "environments", "base")
                for k, v in folder(REPOSITORY, part).items()
            }
        )
        == []
    )


def test_there_are_enough_invalid_fixtures():
    assert len(INVALID) >= 40


@pytest.mark.parametrize("fixture", INVALID, ids=lambda path: path.stem)
def test_fault_is_reported_as_the_fixture_says(files, fixture):
    path, messages = declared(fixture.read_bytes())
    assert messages
    assert faults({**files, path: fixture.read_bytes()}) == messages


@pytest.mark.parametrize("fixture", INVALID, ids=lambda path: path.stem)
def test_message_has_place_rule_and_no_full_stop(fixture):
    for message in declared(fixture.read_bytes())[1]:
        assert re.match(r"[\w./-]+\.yaml:\d+: ", message)
        assert not message.endswith(".")
        assert "\n" not in message


def test_most_messages_name_the_repair():
    messages = [message for fixture in INVALID for message in declared(fixture.read_bytes())[1]]
    assert sum(
        ";" in message or "did you mean" in message or "such as" in message for message in messages
    ) >= 0.9 * len(messages)


def test_faults_of_all_files_come_in_one_run(files):
    broken = ["negative-epochs", "weights-fall", "receipt-without-rows"]
    for name in broken:
        raw = (FIXTURES / "invalid" / f"{name}.yaml").read_bytes()
        files[declared(raw)[0]] = raw
    assert len(faults(files)) == len(broken)
