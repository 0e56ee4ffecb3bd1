"""`reconcile --clone`, as it runs in a cluster: a clone of its own, a mounted Secret, a heartbeat."""

import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import pytest
from ml_pipeline.adapters.kubernetes import JOBS, PODS, SELDON_DEPLOYMENTS
from ml_pipeline.cli import main
from ml_pipeline.environments.kubernetes.observe import Observer
from ml_pipeline.operations import reconcile
from ml_pipeline.operations.registry import Follower

from tests.conftest import git
from tests.support.simulate import finished, trained


@pytest.fixture
def origin(rendered_team, tmp_path, api, monkeypatch):
    """The server's repository. A pod has said that the waiting run is finished, if the cluster can be asked."""
    api.put(JOBS, "local-training")
    api.put(PODS, "local-training")
    api.put(SELDON_DEPLOYMENTS, "local-serving")
    look = Observer.look

    def spoken(observer, snapshot, awaited):
        seen = look(observer, snapshot, awaited)
        results = {i: finished(trained(i), i) for i in awaited}
        return seen if seen.holds else replace(seen, results=results)

    monkeypatch.setattr(Observer, "look", spoken)
    monkeypatch.setattr(Follower, "follow", lambda *_: [])
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    return tmp_path / "origin.git"


@pytest.fixture
def run(origin, api, tmp_path, monkeypatch):
    """Runs it for some passes; before each but the first, `between` is called. Returns what it has told."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/password").write_text("token")

    def call(*options, passes=1, between=lambda: None, work="work"):
        left = [None] * (passes - 1)

        def sleep(_):
            if not left:
                raise KeyboardInterrupt
            left.pop()
            between()

        monkeypatch.setattr(reconcile, "time", SimpleNamespace(sleep=sleep))
        arguments = ["reconcile", "--env", "local", "--clone", str(origin), *options]
        arguments += ["--credentials", str(tmp_path / "secret"), "--work", str(tmp_path / work)]
        return main([*arguments, "--kubeconfig", str(api.kubeconfig(tmp_path))])

    return call


def subjects(origin) -> list[str]:
    return git(origin, "log", "--format=%s", "main").splitlines()


def trouble(tmp_path) -> str:
    assert (tmp_path / "work/heartbeat/alive").read_text().strip().isdigit()
    path = tmp_path / "work/heartbeat/trouble"
    return path.read_text() if path.exists() else ""


def test_receipt_is_committed_from_a_clone_of_its_own(run, origin, tmp_path):
    assert run() == 130
    assert subjects(origin)[0] == "Record run waiting/ddd4bf48a3"
    assert trouble(tmp_path) == ""


def test_one_pass_is_possible_too(run, origin, capsys):
    assert run("--once") == 0
    assert "Record run waiting/ddd4bf48a3" in capsys.readouterr().out


def test_missing_key_is_told_once_and_waited_for(run, origin, tmp_path, capsys):
    (tmp_path / "secret/password").unlink()
    seen = []

    def between():
        seen.append(trouble(tmp_path))
        if len(seen) == 2:
            (tmp_path / "secret/password").write_text("token")

    run(passes=3, between=between)
    assert all("holds neither `identity`" in text for text in seen)
    assert capsys.readouterr().err.count("holds neither `identity`") == 1
    assert subjects(origin)[0] == "Record run waiting/ddd4bf48a3"
    assert trouble(tmp_path) == ""


def test_protected_branch_is_told_and_the_next_pass_tries_again(run, origin, tmp_path):
    hook = origin / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    seen = []

    def between():
        seen.append(trouble(tmp_path))
        hook.unlink()

    run(passes=2, between=between)
    assert "refuses the push to main (pre-receive hook declined); let" in seen[0]
    assert subjects(origin)[0] == "Record run waiting/ddd4bf48a3"


def test_cluster_that_refuses_is_trouble_and_a_faulty_file_is_none(
    run, origin, rendered_team, api, tmp_path
):
    (rendered_team / "experiments/weak/experiment.yaml").write_text("kind: [\n")
    git(rendered_team, "commit", "--quiet", "--all", "--message", "Break")
    git(rendered_team, "push", "--quiet", "origin", "main")
    run()
    assert trouble(tmp_path) == ""
    api.refuses["/apis/batch/v1/namespaces/local-training/jobs"] = (403, "jobs is forbidden")
    run()
    assert "jobs is forbidden" in trouble(tmp_path)


def test_unknown_environment_is_waited_for(run, tmp_path):
    run("--env", "moon")
    assert "environment 'moon' is not on the branch" in trouble(tmp_path)


def test_bug_is_told_before_it_ends(run, tmp_path, monkeypatch):
    monkeypatch.setattr(reconcile, "make_plan", lambda *_: 1 / 0)
    assert run() == 3
    assert "a bug ends every pass (ZeroDivisionError" in trouble(tmp_path)


def test_code_on_the_branch_does_not_end_what_an_image_holds(run, rendered_team, tmp_path):
    def between():
        path = rendered_team / "scripts/ml_pipeline/new.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        git(rendered_team, "pull", "--quiet", "origin", "main")
        git(rendered_team, "add", "--all")
        git(rendered_team, "commit", "--quiet", "--message", "New code")
        git(rendered_team, "push", "--quiet", "origin", "main")

    assert run(passes=2, between=between) == 130
    assert trouble(tmp_path) == ""


def test_two_at_once_commit_a_receipt_once(run, origin):
    with ThreadPoolExecutor(2) as pool:
        codes = list(pool.map(lambda n: run("--once", work=f"work{n}"), range(2)))
    assert codes == [0, 0]
    assert subjects(origin).count("Record run waiting/ddd4bf48a3") == 1
