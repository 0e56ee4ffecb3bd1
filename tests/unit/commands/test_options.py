import argparse
from pathlib import Path

import pytest
from ml_pipeline.commands import options


def parsed(add, *typed: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add(parser)
    return parser.parse_args(typed)


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("007", 7), ("1000000", 1000000)])
def test_count_is_a_whole_number_above_zero(text, number):
    assert options.count(text) == number


@pytest.mark.parametrize(
    "text", ["0", "00", "-1", "+1", "1.0", "1e3", "", " 1", "1_000", "one", "²"]
)
def test_count_of_anything_else_is_refused_with_what_was_typed(text):
    with pytest.raises(argparse.ArgumentTypeError) as error:
        options.count(text)
    assert str(error.value) == f"{text!r} must be a whole number above 0"


@pytest.mark.parametrize(
    ("add", "values"),
    [
        (options.no_arguments, {}),
        (options.output, {"output": "text"}),
        (options.check, {"check": False}),
        (options.env, {"env": "local"}),
        (options.remote, {"remote": None}),
        (options.cluster, {"kubeconfig": None, "context": None}),
        (lambda a: options.settings(a, "x"), {"set": []}),
        (lambda a: options.sort(a, "age"), {"sort": "age", "reverse": False}),
        (options.base, {"base": ""}),
    ],
)
def test_what_nobody_types_is_this(add, values):
    assert vars(parsed(add)) == values


def test_environment_of_a_cluster_has_to_be_named():
    with pytest.raises((argparse.ArgumentError, SystemExit)):
        parsed(options.flux_env)
    assert parsed(options.flux_env, "--env", "staging").env == "staging"


def test_settings_are_kept_in_the_order_in_which_they_are_typed():
    typed = ("--set", "seed=1", "--set", "seed=2")
    assert parsed(lambda a: options.settings(a, "x"), *typed).set == ["seed=1", "seed=2"]
    assert parsed(lambda a: options.settings(a, "x")).set == [], "of another call nothing is left"


def test_output_takes_what_else_a_command_can_print():
    with pytest.raises(argparse.ArgumentError):
        parsed(options.output, "--output", "wide")
    assert parsed(lambda a: options.output(a, "wide"), "--output", "wide").output == "wide"


def test_past_is_asked_of_a_model_in_an_environment():
    typed = parsed(options.past_arguments, "digits", "--env", "staging")
    assert vars(typed) == {"model": "digits", "env": "staging", "output": "text"}


@pytest.mark.parametrize(("default", "end"), [("age", "first (default: age)"), ("", "first")])
def test_default_of_a_sort_is_in_its_help_where_there_is_one(default, end):
    parser = argparse.ArgumentParser()
    options.sort(parser, default)
    (action,) = (action for action in parser._actions if action.dest == "sort")
    assert action.help.endswith(f"the newest {end}")


def test_cluster_is_the_one_of_a_file_and_a_context():
    typed = parsed(options.cluster, "--kubeconfig", "a/b", "--context", "staging")
    assert vars(typed) == {"kubeconfig": Path("a/b"), "context": "staging"}
