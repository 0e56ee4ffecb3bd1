import pytest
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.layout import is_renderers, own_place
from ml_pipeline.rules.render.drift import drift, rendered
from ml_pipeline.rules.review.closed_world import place_faults, strays

ENVIRONMENT = "environments/staging"


def test_renderer_writes_only_where_it_may(files):
    facts = f"{ENVIRONMENT}/environment.yaml"
    for more in (b"", b"kueue: true\n", b"training_shards: 8\n"):
        snapshot = load_snapshot({**files, facts: files[facts] + more})
        assert [path for path in rendered(snapshot) if not is_renderers(path)] == []


def test_rendered_tree_has_no_stray_file(files):
    assert strays(files) == []
    assert list(place_faults(files)) == []


@pytest.mark.parametrize(
    "path",
    [
        "training",
        "training/notes.yaml",
        "training/README.md",
        "training/a/b/c.yml",
        "training/waiting-ddd4bf48a3/more.yaml",
        "serving/digits/more/job.yaml",
        "serving/digits/Kustomization",
        "flux/cluster/role.yaml",
        "platform/more.yaml",
        "platform/monitoring/kustomization.yaml",
        "platform/team",
    ],
)
def test_file_where_flux_builds_that_nobody_may_keep_is_astray(files, path):
    files = {**files, f"{ENVIRONMENT}/{path}": b"x\n"}
    assert strays(files) == [f"{ENVIRONMENT}/{path}"]
    assert drift(load_snapshot(files)).delete == frozenset()


@pytest.mark.parametrize("path", ["platform/team/a/b.yaml", "platform/secrets/x", "README.md"])
def test_what_people_keep_in_their_own_places_is_theirs(files, path):
    assert strays({**files, f"{ENVIRONMENT}/{path}": b"x\n"}) == []


def test_own_place_is_the_folder_below_platform():
    assert own_place(f"{ENVIRONMENT}/platform/team/a/b.yaml") == f"{ENVIRONMENT}/platform/team"
    assert own_place(f"{ENVIRONMENT}/training/team/a.yaml") is None
