import pytest
from ml_pipeline.adapters.kubernetes import JOBS, PODS
from ml_pipeline.cli import main
from ml_pipeline.environments.embedded import logs as embedded_logs
from ml_pipeline.environments.embedded.records import JobRecord, save_job
from ml_pipeline.environments.embedded.state import State
from ml_pipeline.rules.identity.hashes import data_identity

from tests.conftest import git

LABELS = {"ml-pipeline/run": "0123456789", "ml-pipeline/experiment": "digits"}


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
            "manifest": {"metadata": {"labels": LABELS}},
            "created": 1.0,
        },
    )
    return found


def logs(state, *arguments: str) -> int:
    return main(["logs", "--repo", str(state.root.parent), *arguments])


@pytest.mark.parametrize("name", ["job", "0123456789", "digits/0123456789", "digits"])
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
    state.write("logs/jobs/job", {"labels": LABELS, "created": 1.0})
    logs(state, "digits/0123456789")
    assert "first try" in capsys.readouterr().out


def test_unknown_name_lists_the_known(state, capsys):
    assert logs(state, "nobody") == 2
    assert capsys.readouterr().err == (
        "no log of 'nobody'; known are digits, digits/0123456789, mlflow, other-1\n"
    )


@pytest.mark.parametrize(("number", "text"), [("1", "first try\n"), ("2", "second try\n")])
def test_one_try_alone(state, capsys, number, text):
    assert logs(state, "digits", "--try", number) == 0
    assert capsys.readouterr().out == text


def test_try_that_was_not_says_how_many_were(state, capsys):
    assert logs(state, "digits", "--try", "3") == 2
    assert capsys.readouterr().err == "'digits' has no try 3; it has had 2\n"


def change(state, **record) -> None:
    state.write("jobs/job", {**state.read("jobs/job"), **record})


@pytest.fixture
def ticks(state, monkeypatch):
    """What happens between looks, one after the other; the last look is followed by an interruption."""

    def between(*steps) -> None:
        left = list(steps)

        def sleep(_):
            if not left:
                raise KeyboardInterrupt
            left.pop(0)()

        monkeypatch.setattr(embedded_logs.time, "sleep", sleep)

    return between


def test_second_try_is_followed_whole_while_the_first_is_still_there(state, capsys, ticks):
    first, second = (state.root / f"pods/job-{number}/log" for number in (1, 2))
    first.parent.mkdir()
    (state.root / "logs/pods/job-1.log").replace(first)
    second.unlink()
    change(state, phase="Running")

    def retry():
        second.write_text("second")

    def end():
        with second.open("a") as log:
            log.write(" try\n")
        change(state, phase="Complete")

    ticks(retry, end)
    assert logs(state, "-f", "digits") == 0
    assert capsys.readouterr().out == "first try\nsecond try\n"


def test_log_that_is_moved_while_it_is_followed_is_not_printed_again(state, capsys, ticks):
    change(state, phase="Running")

    def prune():
        (state.root / "pods/job-2/log").replace(state.root / "logs/pods/job-2.log")
        state.write("logs/jobs/job", {"labels": LABELS, "created": 1.0})
        state.drop("jobs/job")

    ticks(prune)
    assert logs(state, "-f", "digits/0123456789") == 0
    assert capsys.readouterr().out == "first try\nsecond try\n"


def test_letter_that_is_written_in_two_parts_is_printed_whole(state, capsys, ticks):
    log = state.root / "pods/job-2/log"
    whole = "Zürich\n".encode()
    log.write_bytes(whole[:2])
    change(state, phase="Running")

    def rest():
        log.write_bytes(whole)
        change(state, phase="Complete")

    ticks(rest)
    logs(state, "-f", "digits")
    assert capsys.readouterr().out == "first try\nZürich\n"


def test_job_that_waits_has_printed_nothing_yet(state, capsys):
    for path in ("logs/pods/job-1.log", "pods/job-2/log"):
        (state.root / path).unlink()
    assert logs(state, "digits") == 2
    assert capsys.readouterr().err == (
        "'digits' has printed nothing yet; `ml-pipeline status` says what job waits for\n"
    )


def test_job_that_waits_can_be_followed(state, capsys, ticks):
    for path in ("logs/pods/job-1.log", "pods/job-2/log"):
        (state.root / path).unlink()
    change(state, phase="Pending")

    def start():
        (state.root / "pods/job-2/log").write_text("it starts\n")
        change(state, phase="Complete")

    ticks(start)
    assert logs(state, "-f", "digits") == 0
    assert capsys.readouterr().out == "it starts\n"


def test_run_with_other_memory_prints_the_logs_of_both_jobs(state, capsys):
    manifest = {"metadata": {"labels": LABELS}}
    save_job(state, JobRecord("a-larger-job", manifest, "Complete", created=2.0))
    (state.root / "pods/a-larger-job-1").mkdir()
    (state.root / "pods/a-larger-job-1/log").write_text("larger\n")
    assert logs(state, "digits") == 0
    assert capsys.readouterr().out == "first try\nsecond try\nlarger\n"


@pytest.fixture
def branch(state, files):
    """The branch of the embedded environment with the experiments of the fixtures."""
    state.origin.rmdir()
    git(state.root, "init", "--quiet", "--bare", "--initial-branch=main", "origin.git")
    clone = state.root / "clone"
    git(state.root, "clone", "--quiet", "origin.git", "clone")
    git(clone, "checkout", "--quiet", "-b", "main")

    for path, raw in files.items():
        (clone / path).parent.mkdir(parents=True, exist_ok=True)
        (clone / path).write_bytes(raw)
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--message", "Begin")
    git(clone, "push", "--quiet", "origin", "main")


def prepares(state, snapshot) -> None:
    """The data Job of the experiment `waiting`, which has just ended."""
    data = data_identity(snapshot.experiments["waiting"])[:10]
    manifest = {"metadata": {"labels": {"ml-pipeline/data": data}}}
    save_job(state, JobRecord("data-1", manifest, "Complete", created=2.0))
    (state.root / "pods/data-1-1").mkdir()
    (state.root / "pods/data-1-1/log").write_text("prepared\n")


def test_experiment_whose_data_is_prepared_has_the_log_of_that(state, branch, snapshot, capsys):
    prepares(state, snapshot)
    assert logs(state, "waiting") == 0
    assert capsys.readouterr().out == "prepared\n"


def test_unknown_name_offers_experiments_whose_data_has_a_log(state, branch, snapshot, capsys):
    prepares(state, snapshot)
    assert logs(state, "waitin") == 2
    assert capsys.readouterr().err == "no log of 'waitin'; did you mean waiting?\n"


def test_following_an_experiment_goes_on_from_its_data_to_its_run(
    state, branch, snapshot, capsys, ticks
):
    prepares(state, snapshot)

    def train():
        labels = {"ml-pipeline/experiment": "waiting", "ml-pipeline/run": "ddd4bf48a3"}
        manifest = {"metadata": {"labels": labels}}
        save_job(state, JobRecord("waiting-train", manifest, "Complete", created=3.0))
        (state.root / "pods/waiting-train-1").mkdir()
        (state.root / "pods/waiting-train-1/log").write_text("trained\n")

    ticks(train)
    assert logs(state, "-f", "waiting") == 0
    assert capsys.readouterr().out == "prepared\ntrained\n"


def test_log_of_a_service_is_followed_from_where_it_is(state, capsys, ticks):
    def more():
        with (state.root / "pods/mlflow/log").open("a") as log:
            log.write("more\n")

    ticks(more)
    assert logs(state, "-f", "mlflow") == 130
    assert capsys.readouterr().out == "mlflow\nmore\n"


def test_log_of_a_run_on_a_cluster_is_found_by_its_identity(team, api, tmp_path, capsys):
    labels = {"ml-pipeline/run": "ddd4bf48a3", "batch.kubernetes.io/job-name": "j"}
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
