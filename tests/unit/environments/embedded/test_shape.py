import copy

import pytest
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.environments.embedded.shape import check_shape
from ml_pipeline.rules.render.serving import RUN, TARGET

AMOUNTS = {"cpu": "1", "memory": "1Gi"}
CONTAINER = {
    "image": "trainer@sha256:0",
    "command": ["true"],
    "resources": {"requests": AMOUNTS, "limits": AMOUNTS},
}
JOB = {
    "kind": "Job",
    "metadata": {"name": "a", "labels": {}},
    "spec": {"template": {"spec": {"containers": [CONTAINER]}}},
}
PREDICTOR = {
    "name": "run-a",
    "traffic": 100,
    "annotations": {RUN: "x/a"},
    "graph": {"modelUri": "pvc://artifacts/a"},
    "componentSpecs": [{"spec": {"containers": [CONTAINER]}}],
}
DEPLOYMENT = {
    "kind": "SeldonDeployment",
    "metadata": {"name": "digits", "annotations": {TARGET: "r1"}},
    "spec": {"predictors": [PREDICTOR]},
}


@pytest.mark.parametrize("manifest", [JOB, DEPLOYMENT, {"kind": "Service"}])
def test_what_can_be_run_is_let_in(manifest):
    check_shape(manifest)


@pytest.mark.parametrize("key", ["name", "traffic", "graph", "annotations", "componentSpecs"])
def test_predictor_that_lacks_a_key_is_refused_with_it(key):
    manifest = copy.deepcopy(DEPLOYMENT)
    del manifest["spec"]["predictors"][0][key]
    with pytest.raises(PipelineError, match=f"SeldonDeployment digits lacks or misspells '{key}'"):
        check_shape(manifest)


@pytest.mark.parametrize("key", ["image", "command", "resources"])
def test_job_that_lacks_a_key_is_refused_with_it(key):
    manifest = copy.deepcopy(JOB)
    del manifest["spec"]["template"]["spec"]["containers"][0][key]
    with pytest.raises(PipelineError, match=f"Job a lacks or misspells '{key}'; render it anew"):
        check_shape(manifest)
