from ml_pipeline.documents.changes import Changes, applied
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.rules.render.drift import drift


def test_rendering_is_a_fixed_point(files):
    once = applied(files, drift(load_snapshot(files)))
    assert not drift(load_snapshot(once))


def test_overlay_edited_by_hand_is_drift(files):
    files = applied(files, drift(load_snapshot(files)))
    path = next(path for path in files if path.endswith("/job.yaml") and "/waiting-" in path)
    files[path] += b"# edited\n"
    assert list(drift(load_snapshot(files)).write) == [path]


def test_overlay_that_follows_from_nothing_is_deleted(files):
    files = applied(files, drift(load_snapshot(files)))
    stale = "environments/local/training/gone-0123456789/job.yaml"
    assert drift(load_snapshot({**files, stale: b"x: 1\n"})).delete == {stale}


def test_folders_of_the_team_below_platform_are_kept(files):
    files |= {
        "environments/staging/platform/secrets/kustomization.yaml": b"resources: [artifacts.yaml]\n"
    }
    changes = drift(load_snapshot(files))
    assert changes.delete == frozenset()
    assert b"- secrets" in changes.write["environments/staging/platform/kustomization.yaml"]


def test_later_changes_win():
    both = Changes({"a": b"1"}, frozenset({"b"})) | Changes({"b": b"2"}, frozenset({"a"}))
    assert (both.write, both.delete) == ({"b": b"2"}, {"a"})


def test_no_change_is_false():
    assert not Changes({})
