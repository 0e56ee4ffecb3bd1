import pytest
from ml_pipeline.adapters.kubernetes import JOBS, PODS
from ml_pipeline.cli import main
from ml_pipeline.local.state import State


@pytest.fixture
def state(tmp_path) -> State:
    found = State(tmp_path / ".ml-pipeline")
    found.origin.mkdir(parents=True)
    for path, text in (
        ("logs/pods/job-1.log", "first try\n"),
        ("pods/job-2/log", "second try\n"),
        ("pods/mlflow/log", "mlflow\n"),
        ("pods/other-1/log", "other\n"),
    ):
        (found.root / path).parent.mkdir(parents=True, exist_ok=True)
        (found.root / path).write_text(text)
    found.write(
        "jobs/job",
        {
            "name": "job",
            "phase": "Complete",
            "manifest": {"metadata": {"labels": {"ml-pipeline/run": "0123456789"}}},
        },
    )
    return found


def logs(state, *arguments: str) -> int:
    return main(["logs", "--repo", str(state.root.parent), *arguments])


@pytest.mark.parametrize("name", ["job", "0123456789", "digits/0123456789"])
def test_all_tries_come_in_order(state, capsys, name):
    assert logs(state, name) == 0
    assert capsys.readouterr().out == "first try\nsecond try\n"


def test_following_ends_with_the_job(state, capsys):
    assert logs(state, "-f", "job") == 0
    assert "second try" in capsys.readouterr().out


def test_following_a_predictor_ends_when_it_is_gone(state, capsys):
    (state.root / "logs/pods/digits-run-1.log").write_text("served\n")
    assert logs(state, "-f", "digits-run-1") == 0
    assert capsys.readouterr().out == "served\n"


def test_services_have_logs_too(state, capsys):
    logs(state, "mlflow")
    assert capsys.readouterr().out == "mlflow\n"


def test_logs_of_pruned_jobs_are_found_by_run(state, capsys):
    state.drop("jobs/job")
    state.write("logs/jobs/job", {"labels": {"ml-pipeline/run": "0123456789"}})
    logs(state, "digits/0123456789")
    assert "first try" in capsys.readouterr().out


def test_unknown_name_lists_the_known(state, capsys):
    assert logs(state, "nobody") == 2
    assert "known are job-2, mlflow, other-1" in capsys.readouterr().err


def test_log_of_a_run_on_a_cluster_is_found_by_its_identity(team, api, tmp_path, capsys):
    labels = {"ml-pipeline/run": "ddd4bf48a3"}
    pod = {
        "metadata": {"name": "j-x", "labels": labels, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {},
    }
    running = {"phase": "Running", "containerStatuses": [{"state": {"running": {}}}]}
    api.put(JOBS, "staging-training", {"metadata": {"name": "j", "labels": labels}, "spec": {}})
    api.put(PODS, "staging-training", {**pod, "status": running})
    api.objects["/api/v1/namespaces/staging-training/pods/j-x/log"] = b"epoch 1/30\n"
    reach = ["--env", "staging", "--kubeconfig", str(api.kubeconfig(tmp_path))]
    assert main(["logs", "waiting/ddd4bf48a3", "--repo", str(team), *reach]) == 0
    assert capsys.readouterr().out == "epoch 1/30\n"


def test_run_that_left_the_cluster_says_where_to_look(team, api, tmp_path, capsys):
    api.put(JOBS, "staging-training")
    api.put(PODS, "staging-training")
    reach = ["--env", "staging", "--kubeconfig", str(api.kubeconfig(tmp_path))]
    assert main(["logs", "waiting/ddd4bf48a3", "--repo", str(team), *reach]) == 2
    assert (
        "its log went with it when it was settled, metrics and plots are in MLflow"
        in capsys.readouterr().err
    )
