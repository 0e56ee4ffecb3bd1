from ml_pipeline.cli import main


def test_missing_schemas_are_drift_then_written_then_current(tmp_path, capsys):
    (tmp_path / "docs").mkdir()
    assert main(["schemas", "--repo", str(tmp_path), "--check"]) == 1
    assert main(["schemas", "--repo", str(tmp_path)]) == 0
    assert main(["schemas", "--repo", str(tmp_path), "--check"]) == 0
    assert (tmp_path / "schemas/experiment.json").exists()
