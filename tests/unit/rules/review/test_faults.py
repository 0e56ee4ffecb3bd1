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


STAGING = "environments/staging/environment.yaml"
COPY = "environments/copy/environment.yaml"


def copied(files, *edits: tuple[bytes, bytes]) -> dict[str, bytes]:
    """The tree with a copy of staging under another name, and nothing else changed but by edits."""
    raw = files[STAGING].replace(b"name: staging\n", b"name: copy\n", 1)
    for old, new in edits:
        assert old in raw
        raw = raw.replace(old, new)
    return {**files, COPY: raw}


def test_copied_environment_takes_the_namespaces_of_the_other(files):
    found = [fault for fault in faults(copied(files)) if fault.startswith(COPY)]
    assert found == [
        f"{COPY}:5: namespaces.{part}: 'staging-{part}' is also namespaces.{part} of staging, "
        "and Flux would overwrite what is there; name another"
        for part in ("platform", "serving", "training")
    ]


def test_namespaces_of_one_name_in_two_clusters_are_two(files):
    one, two = b"cluster: 1\n", b"cluster: 2\n"
    there = copied(files, (b"kind: Environment\n", b"kind: Environment\n" + two))
    there[STAGING] = there[STAGING].replace(b"kind: Environment\n", b"kind: Environment\n" + one)
    assert faults(there) == []


def test_namespace_that_stands_twice_is_found(files):
    raw = files[STAGING].replace(b"serving: staging-serving", b"serving: staging-training")
    assert any(
        "namespaces.serving: 'staging-training' is also namespaces.training of staging" in fault
        for fault in faults({**files, STAGING: raw})
    )
