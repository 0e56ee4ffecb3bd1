import pytest
from ml_pipeline.rules.render.overlays import environment_variables, resources


def test_requests_equal_limits():
    found = resources("2", "4Gi")
    assert found["requests"] == found["limits"] == {"cpu": "2", "memory": "4Gi"}


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ((), "nvidia.com/gpu"),
        (("gpu-shared",), "nvidia.com/gpu.shared"),
        (("spot", "gpu-mig"), "nvidia.com/mig-1g.10gb"),
    ],
)
def test_gpu_resource_follows_the_option(options, name):
    assert resources("1", "1Gi", 2, options)["limits"][name] == "2"


def test_pods_are_told_where_tracking_and_artifacts_are(snapshot):
    names = {
        row["name"]: row["value"]
        for row in environment_variables(snapshot.environments["staging"], {"X": "1"})
    }
    assert names == {
        "MLFLOW_TRACKING_URI": "http://mlflow.staging-platform.svc:5000",
        "ARTIFACTS_URI": "s3://ml-staging",
        "X": "1",
    }


def test_login_comes_key_by_key_from_the_secret_that_is_named(snapshot):
    """Not the whole Secret: each of its keys would be a variable of the pod."""
    staging = snapshot.environments["staging"]
    tracking = staging.tracking.model_copy(update={"secret": "mlflow-login"})
    rows = environment_variables(staging.model_copy(update={"tracking": tracking}), {})[2:]
    assert [row["name"].removeprefix("MLFLOW_TRACKING_") for row in rows] == [
        "USERNAME",
        "PASSWORD",
        "TOKEN",
    ]
    for row in rows:
        reference = {"name": "mlflow-login", "key": row["name"], "optional": True}
        assert row["valueFrom"] == {"secretKeyRef": reference}
