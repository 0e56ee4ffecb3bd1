import io

import pytest
from ml_pipeline.cli import main

from tests.conftest import git

FACTS = (
    "--url",
    "https://git.acme.test/ml/pipeline.git",
    "--registry",
    "registry.acme.test/models",
)


@pytest.fixture
def team(rendered_team):
    return rendered_team


def init(team, *arguments: str) -> int:
    return main(["init", "--repo", str(team), *arguments])


def facts(team, name: str) -> str:
    return (team / f"environments/{name}/environment.yaml").read_text()


def test_facts_are_written_and_rendered(team):
    assert init(team, *FACTS, "--environments", "staging,production") == 0
    for name in ("staging", "production"):
        assert "url: https://git.acme.test/ml/pipeline.git" in facts(team, name)
        assert "repository: registry.acme.test/models/trainer, " in facts(team, name)
    assert (
        "https://git.acme.test/ml/pipeline.git"
        in (team / "environments/staging/flux/platform/kustomization.yaml").read_text()
    )
    assert main(["render", "--check", "--repo", str(team)]) == 0


def test_running_it_again_changes_nothing(team, capsys):
    init(team, *FACTS, "--environments", "staging,production")
    git(team, "add", "--all")
    capsys.readouterr()
    assert init(team, *FACTS, "--environments", "staging,production") == 0
    assert capsys.readouterr().out == "nothing to write, these are the facts already\n"
    assert git(team, "diff", "--name-only") == ""


def test_environment_that_is_not_named_goes(team):
    assert init(team, *FACTS, "--environments", "production") == 0
    assert not (team / "environments/staging").exists()
    assert "promotes_from" not in facts(team, "production")
    assert main(["validate", "--repo", str(team)]) == 0


def test_new_environment_is_made_like_the_first(team):
    assert init(team, *FACTS, "--environments", "staging,production,lab") == 0
    assert "platform: lab-platform, training: lab-training, serving: lab-serving" in facts(
        team, "lab"
    )
    assert (team / "environments/lab/flux/kustomization.yaml").exists()
    assert main(["validate", "--repo", str(team)]) == 0


def test_environment_that_experiments_need_stays(team, capsys):
    path = team / "experiments/waiting/experiment.yaml"
    path.write_text(path.read_text().replace("environment: local", "environment: staging"))
    assert init(team, *FACTS, "--environments", "production") == 2
    assert (
        "experiments/waiting/experiment.yaml:7: environment: 'staging' does not exist"
        in capsys.readouterr().err
    )
    assert (team / "environments/staging/environment.yaml").exists()


def test_dry_run_writes_nothing(team, capsys):
    assert init(team, *FACTS, "--environments", "staging,production", "--dry-run") == 0
    assert "write   environments/staging/environment.yaml" in capsys.readouterr().out
    assert git(team, "status", "--short") == ""


def test_what_is_not_given_is_asked_and_enter_keeps_it(team, monkeypatch, capsys):
    answers = io.StringIO("https://git.acme.test/x.git\n\n\n")
    answers.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", answers)
    assert init(team) == 0
    said = capsys.readouterr().err
    assert (
        "Registry and folder of the images, such as registry.example.com/ml [registry.example.com/ml]:"
        in said
    )
    assert "url: https://git.acme.test/x.git" in facts(team, "staging")
    assert "registry.example.com/ml/trainer" in facts(team, "staging")


def test_without_a_terminal_what_is_missing_is_named(team, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert init(team, "--url", "https://x.test/y.git") == 2
    assert (
        "nobody to ask for registry, environments; give --registry --environments"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--url", "git@x:y", "must be an address that Flux can fetch"),
        ("--environments", "A b", "rename it"),
    ],
)
def test_fact_that_breaks_a_rule_writes_nothing(team, capsys, option, value, said):
    given = (
        dict(zip(FACTS[::2], FACTS[1::2], strict=True))
        | {"--environments": "staging"}
        | {option: value}
    )
    assert init(team, *(part for pair in given.items() for part in pair)) == 2
    assert said in capsys.readouterr().err
    assert git(team, "status", "--short") == ""


def test_other_names_take_the_place_of_the_shipped_ones(shipped, capsys):
    assert init(shipped, *FACTS, "--environments", "dev,prod") == 0
    assert (
        "imagenet-resnet50 trains in dev, which takes the place of staging"
        in capsys.readouterr().err
    )
    assert sorted(path.name for path in (shipped / "environments").iterdir()) == [
        "dev",
        "local",
        "prod",
    ]
    assert "promotes_from: [dev]" in facts(shipped, "prod")
    assert "price_per_hour: 32.77" in facts(shipped, "prod")
    assert "spot_price_per_hour" in facts(shipped, "dev")
    changed = git(shipped, "diff", "--unified=0", "--", "experiments").splitlines()[4:]
    assert changed[1:] == ["-environment: staging", "+environment: dev"]
    for command in (("validate",), ("render", "--check"), ("policy",)):
        assert main([*command, "--repo", str(shipped)]) == 0


def test_experiment_that_has_run_is_not_moved(team, capsys):
    path = team / "experiments/good/experiment.yaml"
    path.write_text(path.read_text().replace("environment: local", "environment: staging"))
    before = git(team, "status", "--short")
    assert init(team, *FACTS, "--environments", "dev,production") == 2
    assert "good/experiment.yaml:7: environment: 'staging' does not exist; known are dev" in (
        capsys.readouterr().err
    )
    assert git(team, "status", "--short") == before
