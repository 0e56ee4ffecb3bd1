from ml_pipeline.cli import main


def test_embedded_environment_needs_no_bridge(team, capsys):
    assert main(["bridge", "--repo", str(team), "--env", "local"]) == 2
    assert (
        "'local' has no cluster to follow; start it with `ml-pipeline up`"
        in capsys.readouterr().err
    )


def test_unknown_environment_is_named(team, capsys):
    assert main(["bridge", "--repo", str(team), "--env", "moon"]) == 2
    assert "environment 'moon' does not exist" in capsys.readouterr().err
