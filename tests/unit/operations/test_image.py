import re

from ml_pipeline.adapters.git.code import revision_of
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.cli import main
from ml_pipeline.documents.snapshot import load_snapshot

from tests.conftest import REPOSITORY, folder


def test_digest_is_printed(team, capsys):
    assert main(["image", "--repo", str(team), "trainer"]) == 0
    assert re.fullmatch(r"sha256:[0-9a-f]{64}\n", capsys.readouterr().out)


def test_code_that_ships_is_pinned_to_a_commit_of_this_repository():
    shipped = load_snapshot(folder(REPOSITORY, "environments") | folder(REPOSITORY, "experiments"))
    repository = Repository(REPOSITORY)
    local = [
        e
        for e in shipped.experiments.values()
        if shipped.environments[e.environment].runtime == "embedded"
    ]
    assert {revision_of(repository, "HEAD", "trainer", experiment.image) for experiment in local}
    assert revision_of(
        repository, "HEAD", "serving", shipped.environments["local"].images.serving.digest
    )
