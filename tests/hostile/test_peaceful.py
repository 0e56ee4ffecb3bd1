"""What people rightly do beside automation's files and in places of their own is no finding; and a review fetches nothing."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from ml_pipeline.adapters.kustomize import build
from ml_pipeline.adapters.processes import ProgramError
from ml_pipeline.cli import main
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.rules.identity.served import serving_of
from ml_pipeline.rules.identity.weights import first_step
from ml_pipeline.rules.render.serving import rollout_files

from tests.conftest import folder, git
from tests.unit.operations.test_corpus import committed

HEAD = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"


@pytest.fixture
def team(rendered_team, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")  # 2026-01-01
    return rendered_team


def review(team, capsys) -> tuple[int, str]:
    capsys.readouterr()
    code = main(["review", "--repo", str(team)])
    return code, capsys.readouterr().out


def step(team, share: int) -> str:
    """A step that automation commits on main; its commit."""
    files = {p: raw for top in ("environments", "experiments", "base") for p, raw in _of(team, top)}
    snapshot = load_snapshot(files)
    serving = serving_of(snapshot, "local", "digits")
    weights = dict(zip(first_step(serving.promotion), (100 - share, share), strict=True))
    for path, raw in rollout_files(snapshot, serving, weights).items():
        (team / path).write_bytes(raw)
    committed(team, f"Advance digits to {share} %")
    git(team, "push", "--quiet", "origin", "HEAD:main")
    return git(team, "rev-parse", "HEAD")


def _of(team, top: str):
    return folder(team, top).items()


@pytest.mark.parametrize("steps", [[50], [25, 50]], ids=["first", "later"])
def test_step_of_automation_may_be_reverted_and_what_moves_is_said(team, capsys, steps):
    last = [step(team, share) for share in steps][-1]
    git(team, "checkout", "--quiet", "-b", "revert")
    git(team, "revert", "--no-edit", last)
    code, said = review(team, capsys)
    assert code == 0
    assert said.startswith("digits in local: from 50 % ")


def test_revert_of_a_revert_puts_back_what_automation_wrote(team, capsys):
    last = step(team, 50)
    git(team, "revert", "--no-edit", last)
    git(team, "push", "--quiet", "origin", "main")
    git(team, "checkout", "--quiet", "-b", "again")
    git(team, "revert", "--no-edit", "HEAD")
    assert review(team, capsys)[0] == 0


def test_step_that_automation_never_took_is_a_finding_where_another_was(team, capsys):
    step(team, 25)
    git(team, "checkout", "--quiet", "-b", "mine")
    (path,) = (team / "environments/local/rollouts/digits").glob("[0-9a-f]*.yaml")
    path.write_text(path.read_text().replace("75", "1").replace("25", "99"))
    committed(team, "Hurry")
    code, said = review(team, capsys)
    assert code == 1
    assert "is automation's file, and this edits it; restore it from git" in said


def test_branch_that_merged_main_answers_for_its_own_changes_alone(team, capsys):
    git(team, "checkout", "--quiet", "-b", "mine")
    (team / "experiments/waiting/NOTES.md").write_text("# Notes\n")
    committed(team, "Note")
    git(team, "checkout", "--quiet", "main")
    step(team, 50)
    git(team, "checkout", "--quiet", "mine")
    git(team, "merge", "--quiet", "--no-edit", "main")
    assert review(team, capsys) == (0, "nothing changes\n")


def test_removed_receipt_is_no_finding_and_what_trains_again_is_said(team, capsys):
    git(team, "checkout", "--quiet", "-b", "again")
    git(team, "rm", "--quiet", "experiments/broken/runs/970e519fc8.yaml")
    main(["render", "--repo", str(team)])
    committed(team, "Train broken again")
    code, said = review(team, capsys)
    assert code == 0
    assert said.startswith("trains broken/970e519fc8: ")


def test_what_people_keep_in_their_own_place_is_told(team, capsys):
    place = team / "environments/staging/platform/team"
    place.mkdir()
    (place / "kustomization.yaml").write_text(
        f"{HEAD}namespace: staging-training\nresources:\n- open.yaml\n"
    )
    (place / "open.yaml").write_text(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: open\n"
        "spec:\n  podSelector: {}\n  egress: [{}]\n"
    )
    git(team, "checkout", "--quiet", "-b", "open")
    main(["render", "--repo", str(team)])
    committed(team, "Open the network")
    code, said = review(team, capsys)
    assert code == 0
    assert said.startswith(
        "adds NetworkPolicy open in staging-training, which allows egress traffic\n"
    )
    assert "+ NetworkPolicy staging-training/open" in said


@pytest.mark.parametrize("output", ["text", "markdown", "json"])
def test_password_is_never_printed(team, capsys, output):
    place = team / "environments/staging/platform/team"
    place.mkdir()
    (place / "kustomization.yaml").write_text(
        f"{HEAD}namespace: staging-training\nresources:\n- login.yaml\n"
    )
    (place / "login.yaml").write_text(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: login\nstringData:\n  word: hunter2\n"
    )
    code = main(["review", "--repo", str(team), "--output", output])
    said = capsys.readouterr().out
    assert code == 1
    assert "stringData.word is not encrypted" in said
    assert "hunter2" not in said


@pytest.fixture
def web():
    """The paths that were asked of a server on this machine."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port, asked
    server.shutdown()


@pytest.mark.parametrize("command", ["review", "diff", "policy", "validate"])
@pytest.mark.parametrize("entry", ["http://127.0.0.1:{}/job.yaml", "http://127.0.0.1:{}/a/b.git"])
def test_nothing_is_fetched(team, capsys, web, command, entry):
    port, asked = web
    base = team / "base/training-job/kustomization.yaml"
    base.write_text(base.read_text() + f"- {entry.format(port)}\n")
    capsys.readouterr()
    code = main([command, "--repo", str(team)])
    said = capsys.readouterr()
    assert code in (1, 2)
    assert "is not the path of a file of this tree" in said.out + said.err
    assert asked == []


def test_kustomize_itself_finds_no_git(tmp_path, monkeypatch):
    (tmp_path / "git").write_text(f"#!/bin/sh\ntouch {tmp_path}/called\nexit 1\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "kustomization.yaml").write_text(f"{HEAD}resources: ['file:///a/b.git']\n")
    with pytest.raises(ProgramError):
        build(tmp_path)
    assert not (tmp_path / "called").exists()
