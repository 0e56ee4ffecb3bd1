import pytest
from ml_pipeline.documents.changes import Changes, applied
from ml_pipeline.documents.faults import InvalidDocumentsError
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import short_of
from ml_pipeline.rules.automation.drift import Renderer, training_drift
from ml_pipeline.rules.automation.triage import Triage
from ml_pipeline.rules.render.training import training_overlays

WAITING = "experiments/waiting/experiment.yaml"
DATA = "experiments/better/data/216b187a78.yaml"
GOOD = "experiments/good/runs/31a4e76e1a.yaml"
LOCAL = "environments/local/environment.yaml"
JOB = "base/training-job/job.yaml"
DATA_JOB = "base/data-job/job.yaml"
STALE = "environments/local/training/gone-0123456789-0123456789/job.yaml"
UNREADABLE = b"kind: [\n"


def drift_of(files, environment="local"):
    return training_drift(Triage(Snapshot(files)), Renderer(files), environment)


@pytest.fixture
def overlay(current):
    return {path: raw for path, raw in current.items() if "/training/waiting-" in path}


def test_tree_with_its_overlays_has_none(current):
    found = drift_of(current)
    assert not found.changes
    assert found.holds == ()


def test_overlay_that_lacks_is_written_whole(current, overlay):
    files = {path: raw for path, raw in current.items() if path not in overlay}
    assert drift_of(files).changes == Changes(overlay)


def test_overlay_that_somebody_edited_is_written_again(current, overlay):
    path = next(path for path in overlay if path.endswith("/job.yaml"))
    assert drift_of({**current, path: b"x: 1\n"}).changes == Changes({path: overlay[path]})


def test_overlay_that_nothing_asks_for_is_deleted(current):
    assert drift_of({**current, STALE: b"x: 1\n"}).changes == Changes({}, frozenset({STALE}))


def test_overlay_of_another_environment_is_left_alone(current):
    elsewhere = STALE.replace("local", "staging")
    assert not drift_of({**current, elsewhere: b"x: 1\n"}).changes
    assert drift_of({**current, elsewhere: b"x: 1\n"}, "staging").changes.delete == {elsewhere}


def test_account_of_the_pods_is_no_overlay(current):
    account = "environments/staging/training/serviceaccount.yaml"
    assert account in current
    assert account not in drift_of(current, "staging").changes.delete


def test_drift_is_gone_once_it_is_applied(files):
    changes = drift_of({**files, STALE: b"x: 1\n"}).changes
    assert changes
    assert not drift_of(applied({**files, STALE: b"x: 1\n"}, changes)).changes


def test_overlay_of_what_a_faulty_receipt_settles_is_left_alone(current):
    """Nobody can say whether its Job has ended."""
    overlay = f"environments/local/training/good-{GOOD[-15:-5]}-0123456789/job.yaml"
    files = {**current, overlay: b"x: 1\n"}
    assert drift_of(files).changes.delete == {overlay}
    assert not drift_of({**files, GOOD: UNREADABLE}).changes


def test_overlay_of_data_that_is_prepared_goes_although_an_experiment_is_unreadable(current):
    overlay = f"environments/local/training/data-{DATA[-15:-5]}-0123456789/job.yaml"
    files = {**current, overlay: b"x: 1\n", WAITING: UNREADABLE}
    assert drift_of(files).changes.delete == {overlay}


OTHER_DATA = "environments/local/training/data-0123456789-0123456789/job.yaml"
TOO_LARGE = (b"memory: 2Gi", b"memory: 900Ti")


def test_overlay_of_data_is_left_alone_while_nobody_can_read_who_asks_for_it(current):
    files = {**current, OTHER_DATA: b"x: 1\n"}
    assert not drift_of({**files, WAITING: UNREADABLE}).changes
    readable = files[WAITING].replace(*TOO_LARGE)
    assert drift_of({**files, WAITING: readable}).changes.delete == {OTHER_DATA}


def test_overlay_of_the_run_that_a_held_experiment_asks_for_is_left_alone_whatever_it_is_called(
    current, overlay
):
    twin = current[WAITING].replace(b"name: waiting", b"name: twin").replace(*TOO_LARGE)
    files = {path: raw for path, raw in current.items() if path != WAITING}
    assert drift_of(files).changes.delete == overlay.keys()
    assert not drift_of({**files, "experiments/twin/experiment.yaml": twin}).changes


def test_base_that_cannot_be_read_is_held_and_keeps_what_is_there(current, overlay):
    found = drift_of({**current, JOB: UNREADABLE, STALE: b"x: 1\n"})
    assert found.changes == Changes({}, frozenset({STALE}))
    (hold,) = found.holds
    assert hold.what == JOB
    assert "1 experiment cannot go on without it" in hold.reason


def test_base_that_nothing_builds_on_is_not_read(current):
    assert drift_of({**current, DATA_JOB: UNREADABLE}).holds == ()


def test_renderer_gives_what_rendering_at_once_gives(snapshot):
    rendered = Renderer(snapshot.files).overlay(snapshot, "waiting")
    assert rendered == training_overlays(snapshot, ["waiting"])
    assert {short_of(path) for path in rendered} == {"ddd4bf48a3"}


def test_renderer_keeps_an_overlay_while_nothing_that_it_rests_on_changes(snapshot):
    renderer = Renderer(snapshot.files)
    first = renderer.overlay(snapshot, "waiting")
    later = snapshot.after(Changes({"experiments/notes.yaml": b"", STALE: b""}))
    assert renderer.overlay(later, "waiting") is first


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        (WAITING, b"memory: 2Gi", b"memory: 3Gi"),
        (LOCAL, b"mlflow.local-platform", b"mlflow.elsewhere"),
        (DATA, b"uri: data/x.npz", b"uri: data/y.npz"),
        (DATA, b"sha256: " + b"c" * 64, b"sha256: " + b"e" * 64),
    ],
)
def test_renderer_renders_anew_what_rests_on_a_changed_document(snapshot, path, old, new):
    renderer = Renderer(snapshot.files)
    first = renderer.overlay(snapshot, "waiting")
    raw = snapshot.files[path]
    assert old in raw
    later = snapshot.after(Changes({path: raw.replace(old, new)}))
    again = renderer.overlay(later, "waiting")
    assert again == training_overlays(later, ["waiting"])
    assert again != first


def test_renderer_names_the_file_of_base_that_it_cannot_read(files):
    renderer = Renderer({**files, JOB: UNREADABLE})
    with pytest.raises(InvalidDocumentsError, match=JOB):
        renderer.overlay(Snapshot(files), "waiting")
