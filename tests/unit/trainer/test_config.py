from dataclasses import fields

import pytest

from trainer.config import Config, ConfigError, parse

ENVIRON = {
    "IDENTITY": "a" * 64,
    "MLFLOW_TRACKING_URI": "http://x",
    "ARTIFACTS_URI": "file:///a",
    "CHECKPOINTS": "/c",
    "DATA_URI": "file:///d",
    "DATA_SHA256": "b" * 64,
}


def test_options_are_frozen():
    names = [option.name for option in fields(Config)]
    assert names == [
        *(
            "command",
            "around",
            "source",
            "sha256",
            "holdout",
            "preparation",
            "experiment",
            "model_name",
            "model_type",
            "epochs",
            "batch_size",
        ),
        *(
            "learning_rate",
            "weight_decay",
            "hidden",
            "dropout",
            "precision",
            "channels_last",
            "compile",
            "seed",
            "checkpoint_seconds",
        ),
    ]


def test_every_option_says_what_it_is():
    assert [option.name for option in fields(Config)[2:] if not option.metadata["help"]] == []


def test_arguments_become_typed_values():
    config = parse(
        ["train", "--epochs=3", "--learning-rate=1e-3", "--channels-last=False", "--seed=7"],
        ENVIRON,
    )
    assert (config.epochs, config.learning_rate, config.channels_last, config.seed) == (
        3,
        0.001,
        False,
        7,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--epochs=0"], "--epochs 0: passes over the training rows"),
        (["train", "--epoch=1"], "unrecognized arguments: --epoch=1"),
        (["train", "--model-type=gpt"], "invalid choice: 'gpt'"),
        (["train", "--compile=yes"], "'yes' is neither True nor False"),
        (["train", "--dropout=1"], "--dropout 1.0"),
        (["prepare"], "--source is missing"),
        ([], "required"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ConfigError, match=message):
        parse(arguments, ENVIRON)


@pytest.mark.parametrize(
    "name", ["IDENTITY", "MLFLOW_TRACKING_URI", "ARTIFACTS_URI", "CHECKPOINTS", "DATA_URI"]
)
def test_missing_variables_are_named(name):
    with pytest.raises(ConfigError, match=name):
        parse(["train"], {key: value for key, value in ENVIRON.items() if key != name})


def test_identity_must_be_one():
    with pytest.raises(ConfigError, match="64 hex digits"):
        parse(["train"], {**ENVIRON, "IDENTITY": "../x"})
