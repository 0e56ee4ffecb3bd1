import pytest

from tests.conftest import REPOSITORY, folder


@pytest.fixture
def shipped():
    from ml_pipeline.documents.snapshot import load_snapshot

    return load_snapshot(
        folder(REPOSITORY, "environments") | folder(REPOSITORY, "experiments")
    ).environments


def test_three_environments_ship(shipped):
    assert sorted(shipped) == ["local", "production", "staging"]


def test_only_local_is_embedded(shipped):
    assert [name for name, e in shipped.items() if e.runtime == "embedded"] == ["local"]


def test_namespaces_and_stores_are_not_shared(shipped):
    facts = [
        (e.namespaces.training, e.namespaces.serving, e.artifacts.uri, e.tracking.uri)
        for e in shipped.values()
    ]
    assert all(len({fact[n] for fact in facts}) == 3 for n in range(4))
