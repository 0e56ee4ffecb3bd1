from ml_pipeline.documents.experiment import Experiment, Parameters

# Defaults decide the identity of runs whose experiment.yaml leaves them out: a change here trains them all anew.
FROZEN = {
    "batch_size": 64,
    "learning_rate": 0.001,
    "weight_decay": 0.0,
    "hidden": 64,
    "dropout": 0.0,
    "precision": "float32",
    "channels_last": True,
    "compile": False,
}


def test_defaults_of_parameters_are_frozen():
    assert {
        name: field.default for name, field in Parameters.model_fields.items() if name != "epochs"
    } == FROZEN


def test_keys_of_an_experiment_are_frozen():
    keys = "apiVersion kind name owner cost_centre environment model dataset image parameters seed topology resources options gates budget schedule retrain"
    assert list(Experiment.model_fields) == keys.split()


def test_gates_are_on_by_default(snapshot):
    gates = Experiment.model_fields["gates"].default
    assert (gates.min_accuracy, gates.max_latency_p99_ms, gates.max_memory_mb) == (
        0.8,
        50.0,
        2048.0,
    )
