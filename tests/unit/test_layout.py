import pytest
from ml_pipeline import layout
from ml_pipeline.layout import Receipt, Rollout, Served

ID = "0123456789"
WHOLE = ID + "f" * 54
ROUND_TRIPS = [
    (layout.data_path, layout.data_of, ("a", ID), Receipt("a", ID)),
    (layout.run_path, layout.run_of, ("a", ID), Receipt("a", ID)),
    (layout.promotion_path, layout.promotion_of, ("local", "digits"), Served("local", "digits")),
    (layout.rollout_path, layout.rollout_of, ("local", "m", ID), Rollout("local", "m", ID)),
    (layout.verdict_path, layout.verdict_of, ("local", "m", ID), Rollout("local", "m", ID)),
]
PARSERS = [
    layout.data_of,
    layout.run_of,
    layout.promotion_of,
    layout.rollout_of,
    layout.verdict_of,
    layout.deployment_of,
    layout.job_folder,
    layout.rolled_out,
    layout.built_path,
    layout.own_place,
]
HOSTILE = [
    "",
    "/",
    "experiments",
    "experiments//experiment.yaml",
    "experiments/a/experiment.yaml\n",
    "experiments/a/b/experiment.yaml",
    "experiments/a/runs/x/y.yaml",
    "experiments/a/runs/.yaml",
    "environments/local",
    "environments//promotions/m.yaml",
    "environments/local/promotions/m/n.yaml",
    "environments/local/promotions/m.yml",
    "environments/local/verdicts/m.yaml",
    "../environments/local/promotions/m.yaml",
    "x/environments/local/training/a-0123456789-0123456789",
    "environments/local/Training/a-0123456789-0123456789",
]


@pytest.mark.parametrize(("written", "parsed", "parts", "value"), ROUND_TRIPS)
def test_what_is_written_is_parsed(written, parsed, parts, value):
    assert parsed(written(*parts)) == value


@pytest.mark.parametrize("written", [layout.data_path, layout.run_path])
def test_receipt_is_named_by_the_first_digits_of_its_identity(written):
    assert written("a", WHOLE) == written("a", ID)


def test_job_folder_is_its_stem_and_a_hash():
    stem = layout.job_stem("local", "a-b", WHOLE)
    folder = layout.job_folder(f"{stem}-{ID}")
    assert (folder.stem, folder.maker, folder.short) == (stem, "a-b", ID)


def test_job_folders_are_found_by_what_they_make():
    stem = layout.job_stem("local", "a", ID)
    files = [f"{stem}-{ID}/kustomization.yaml", f"{stem}-{ID}/job.yaml", "base/kustomization.yaml"]
    assert {short: folder.stem for short, folder in layout.job_folders(files).items()} == {ID: stem}


def test_rendered_deployment_belongs_to_its_model():
    path = f"{layout.serving_folder('local', 'm')}/promotion/seldondeployment.yaml"
    assert layout.deployment_of(path) == Served("local", "m")


@pytest.mark.parametrize("path", HOSTILE)
@pytest.mark.parametrize("parsed", PARSERS, ids=lambda parsed: parsed.__name__)
def test_hostile_path_is_none_of_ours(parsed, path):
    assert not parsed(path)


@pytest.mark.parametrize("path", HOSTILE)
def test_hostile_path_is_no_place_of_a_machine(path):
    assert not layout.is_renderers(path)


def test_environment_and_its_parts_are_found_again():
    path = layout.environment_path("local")
    assert layout.owner_of(path) == "local"
    folder = layout.environment_folder("local", "training")
    assert (layout.owner_of(folder), layout.part_of(folder)) == ("local", "training")
    assert path == f"{layout.environment_folder('local')}/environment.yaml"


@pytest.mark.parametrize("part", layout.BUILT)
def test_flux_path_is_found_below_it_alone(part):
    folder = layout.environment_folder("local", part)
    assert layout.built_path(f"{folder}/a/b.yaml") == folder
    assert layout.built_path(folder) is None


def test_folders_come_from_the_topmost_down():
    top = "environments/local/training"
    assert list(layout.folders_between(top, f"{top}/a/b/c.yaml")) == [top, f"{top}/a", f"{top}/a/b"]


def test_files_of_a_rollout_belong_to_its_model_at_any_depth():
    folder = layout.rollouts_folder("local", "m")
    assert layout.rolled_out(f"{folder}{ID}.yaml") == Served("local", "m")
    assert layout.rolled_out(f"{folder}a/b.txt") == Served("local", "m")


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("experiments/a/experiment.yaml", True),
        ("experiments/a/notes.yml", True),
        ("experiments/a", True),
        ("experiments/a/notes.md", False),
        ("environments/local/serving/m/kustomization.yaml", False),
        ("base/serving/kustomization.yaml", False),
    ],
)
def test_documents_and_what_stands_in_their_way_are_listed(path, is_one):
    assert layout.is_listed(path) is is_one


@pytest.mark.parametrize("name", layout.OWN)
def test_own_place_is_a_folder_with_something_in_it(name):
    place = f"{layout.environment_folder('local', 'platform')}/{name}"
    assert layout.own_place(f"{place}/x.yaml") == place
    assert layout.own_place(place) is None


def test_reference_without_a_slash_names_an_experiment():
    assert layout.reference_of(f"a/{ID}") == Receipt("a", ID)
    assert layout.reference_of("a") == Receipt("a", "")


def test_relative_path_is_resolved_in_its_folder():
    folder = "environments/local/serving/m"
    assert layout.resolved(folder, "../../rollouts/m") == "environments/local/rollouts/m"


def test_files_that_say_what_an_experiment_trains_describe_it():
    described = [layout.experiment_path("a"), layout.data_snapshot_path("b", "20260131T1200Z")]
    others = [layout.run_path("c", WHOLE), layout.data_path("d", WHOLE), *HOSTILE]
    assert layout.experiments_of([*described, *others]) == {"a", "b"}
