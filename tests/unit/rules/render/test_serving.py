import yaml
from ml_pipeline.documents.changes import applied
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.rules.identity.served import serving_of
from ml_pipeline.rules.render.drift import drift
from ml_pipeline.rules.render.serving import (
    opened_rollouts,
    rollout_files,
    serving_overlays,
)

GOOD, BETTER = "good/31a4e76e1a", "better/c39d9a14b0"


def deployment(files) -> dict:
    rendered = serving_overlays(load_snapshot(files))
    return yaml.safe_load(
        rendered["environments/local/serving/digits/promotion/seldondeployment.yaml"]
    )


def test_weights_are_explicit_and_sum_to_100(files):
    predictors = deployment(files)["spec"]["predictors"]
    assert [(p["annotations"]["ml-pipeline/run"], p["traffic"]) for p in predictors] == [
        (GOOD, 90),
        (BETTER, 10),
    ]


def test_predictor_carries_the_digest_of_its_model(files):
    container = deployment(files)["spec"]["predictors"][0]["componentSpecs"][0]["spec"][
        "containers"
    ][0]
    assert container["env"] == [{"name": "MODEL_SHA256", "value": "31a4" * 16}]
    assert "@sha256:" in container["image"]


def test_automation_writes_no_file_of_a_person(snapshot):
    person = set(serving_overlays(snapshot)) | {"environments/local/promotions/digits.yaml"}
    automation = set(
        rollout_files(snapshot, serving_of(snapshot, "local", "digits"), {GOOD: 50, BETTER: 50})
    )
    assert not person & automation


def test_changed_serving_image_takes_effect_after_a_rollout(files):
    snapshot = load_snapshot(files)
    files |= rollout_files(snapshot, serving_of(snapshot, "local", "digits"), {BETTER: 100})
    path = "environments/local/environment.yaml"
    files[path] = files[path].replace(b"b" * 64, b"e" * 64)
    changed = drift(load_snapshot(files)).write
    assert (
        b"sha256:" + b"e" * 64
        in changed["environments/local/serving/digits/promotion/seldondeployment.yaml"]
    )
    assert not any(b"sha256:" in raw for p, raw in (files | changed).items() if "/rollouts/" in p)


def test_model_is_read_where_it_was_trained(files):
    path = "environments/staging/environment.yaml"
    files[path] += b"promotes_from: [local]\n"
    promotion = files["environments/local/promotions/digits.yaml"]
    files["environments/staging/promotions/digits.yaml"] = promotion
    rendered = serving_overlays(load_snapshot(files))[
        "environments/staging/serving/digits/promotion/seldondeployment.yaml"
    ]
    assert b"modelUri: pvc://artifacts/mlflow/1/models/m-better/artifacts" in rendered


def test_patches_of_earlier_rollouts_stay(files):
    snapshot = load_snapshot(files)
    files["environments/local/rollouts/digits/0123456789.yaml"] = (
        b"- {op: replace, path: /spec/predictors/0/traffic, value: 100}\n"
    )
    files |= rollout_files(
        load_snapshot(files), serving_of(snapshot, "local", "digits"), {BETTER: 100}
    )
    component = yaml.safe_load(files["environments/local/rollouts/digits/kustomization.yaml"])
    assert len(component["patches"]) == 2


def test_rollouts_open_where_there_are_none(files):
    del files["environments/staging/rollouts/digits/kustomization.yaml"]
    assert list(opened_rollouts(load_snapshot(files), "digits")) == [
        "environments/staging/rollouts/digits/kustomization.yaml"
    ]


def test_rendered_serving_is_a_fixed_point(files):
    assert not drift(load_snapshot(applied(files, drift(load_snapshot(files)))))
