from ml_pipeline.cli import main
from ml_pipeline.operations.render import plan

from tests.conftest import git


def render(team, *options: str) -> int:
    return main(["render", "--repo", str(team), *options])


def test_missing_overlays_are_drift(team, capsys):
    assert render(team, "--check") == 1
    assert (
        "write   environments/local/training/waiting-ddd4bf48a3-78502af983/job.yaml  (stale, run `ml-pipeline render`)"
        in capsys.readouterr().out
    )


def test_rendering_twice_changes_nothing_the_second_time(team):
    assert render(team) == 0
    git(team, "add", "--all")
    assert render(team) == render(team, "--check") == 0
    assert git(team, "diff", "--stat") == ""


def test_dry_run_prints_the_plan_and_writes_nothing(team, capsys):
    assert render(team, "--dry-run") == 0
    assert "waiting-ddd4bf48a3" in capsys.readouterr().out
    assert git(team, "status", "--porcelain") == ""


def test_stale_overlays_are_deleted(team):
    stale = team / "environments/local/training/gone-0123456789/job.yaml"
    stale.parent.mkdir(parents=True)
    stale.write_text("x: 1\n")
    assert render(team) == 0
    assert not stale.parent.exists()


def test_stray_file_is_said_and_left_to_whoever_wrote_it(team, capsys):
    stray = team / "environments/staging/training/notes.yaml"
    stray.write_text("x: 1\n")
    for options in ([], ["--check"], ["--dry-run"]):
        assert render(team, *options) == 1
        assert (
            "stray   environments/staging/training/notes.yaml:1: is not what `ml-pipeline render` writes"
            in capsys.readouterr().out
        )
    assert stray.exists()


def test_shard_that_is_no_more_goes(team):
    facts = team / "environments/staging/environment.yaml"
    text = facts.read_text()
    facts.write_text(f"{text}training_shards: 4\n")
    render(team)
    assert (team / "environments/staging/flux/shard-3").exists()
    facts.write_text(text)
    assert render(team) == 0
    assert not (team / "environments/staging/flux/shard-1").exists()


def test_invalid_documents_render_nothing(team):
    (team / "experiments/waiting/experiment.yaml").write_text("kind: Experiment\n")
    assert render(team) == 2
    assert git(team, "status", "--porcelain") == "M experiments/waiting/experiment.yaml"


def test_plan_names_what_is_stale_and_writes_nothing(team, capsys):
    rendering = plan(team)
    assert any("waiting-ddd4bf48a3" in path for path in rendering.changes.write)
    assert rendering.strays == ()
    assert git(team, "status", "--porcelain") == ""
    assert capsys.readouterr() == ("", "")
