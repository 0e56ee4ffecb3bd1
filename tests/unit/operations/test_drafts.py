import pytest
from ml_pipeline.adapters.git.code import digest_at
from ml_pipeline.documents.faults import InvalidDocumentsError, PipelineError
from ml_pipeline.operations.drafts import check_code, read_draft, with_image
from ml_pipeline.operations.workspace import open_workspace


@pytest.fixture
def draft(tmp_path, files):
    """The file of an experiment whose image is still to be pinned."""
    path = tmp_path / "draft.yaml"
    text = files["experiments/waiting/experiment.yaml"].decode()
    lines = text.splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith("image:")))
    return path


def test_settings_are_committed_and_the_file_is_kept(draft):
    read = read_draft(draft, ("seed=9",))
    assert read.original == draft.read_bytes()
    assert b"seed: 9" in read.raw


def test_draft_that_is_not_there_is_named(tmp_path):
    with pytest.raises(PipelineError, match=r"none.yaml is not there"):
        read_draft(tmp_path / "none.yaml")


def test_draft_without_an_image_is_no_experiment_yet(draft):
    with pytest.raises(InvalidDocumentsError, match="image: is missing"):
        _ = read_draft(draft).experiment


def test_missing_image_is_the_trainer_of_the_branch(team, draft):
    workspace = open_workspace(team)
    pinned = with_image(workspace, read_draft(draft)).experiment.image
    assert pinned == digest_at(workspace.repository, workspace.revision, "trainer")


def test_image_that_is_pinned_stays(team, draft):
    pinned = read_draft(draft, (f"image=sha256:{'a' * 64}",))
    assert with_image(open_workspace(team), pinned) == pinned


def test_code_that_is_not_in_the_commit_is_told_of(team, draft):
    workspace, lines = open_workspace(team), []
    committed = with_image(workspace, read_draft(draft))
    check_code(workspace, committed.experiment, committed.source, lines.append)
    assert lines == []
    (team / "trainer/models.py").write_text("# another model\n")
    check_code(workspace, committed.experiment, committed.source, lines.append)
    assert lines[0].startswith("waiting trains trainer/ as of ")
