"""Whatever a pull request holds, it gets its comment: findings with their place, and no crash."""

import json
import os
import re

import pytest
from ml_pipeline.cli import main
from ml_pipeline.operations import review as operation
from ml_pipeline.rules.review.comment import MARKER

from tests.conftest import git


@pytest.fixture
def team(rendered_team, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")  # 2026-01-01
    return rendered_team


def review(team, capsys, *options: str) -> tuple[int, str]:
    capsys.readouterr()
    code = main(
        ["review", "--repo", str(team), "--comment", str(team.parent / "comment.md"), *options]
    )
    said = (team.parent / "comment.md").read_text()
    assert said.startswith(MARKER)
    return code, said


def test_nothing_changed_is_said(team, capsys):
    code, said = review(team, capsys)
    assert code == 0
    assert "- nothing that trains or serves changes" in said
    assert capsys.readouterr().out == "nothing changes\n"


def not_utf_8(team):
    (team / "experiments/waiting/experiment.yaml").write_bytes(b"kind: Experiment\nname: \xff\n")


def five_megabytes(team):
    (team / "experiments/waiting/experiment.yaml").write_text("a: b\n" * (5 * 2**20 // 5))


def five_megabytes_in_base(team):
    (team / "base/training-job/job.yaml").write_text("a: b\n" * (5 * 2**20 // 5))


def link_out(team):
    (team / "experiments/waiting/experiment.yaml").unlink()
    (team / "experiments/waiting/experiment.yaml").symlink_to("/etc/hostname")


def new_link_out(team):
    (team / "experiments/secret.yaml").symlink_to("/etc/hostname")


def file_over_folder(team):
    git(team, "rm", "--quiet", "-r", "experiments/waiting")
    (team / "experiments/waiting").write_text("kind: Experiment\n")


def shell_characters(team):
    folder = team / "experiments/$(touch pwned);`id`"
    folder.mkdir()
    (folder / "experiment.yaml").write_text(
        (team / "experiments/waiting/experiment.yaml").read_text()
    )


def name_not_utf_8(team):
    folder = os.fsencode(team / "experiments") + b"/\xff\xfe"
    os.mkdir(folder)
    with open(folder + b"/experiment.yaml", "wb") as sink:
        sink.write(b"kind: Experiment\n")


def conflict_marker(team):
    path = team / "environments/local/environment.yaml"
    path.write_text(f"<<<<<<< HEAD\n{path.read_text()}")


def conflict_marker_in_base(team):
    path = team / "base/training-job/job.yaml"
    path.write_text(f"<<<<<<< HEAD\n{path.read_text()}=======\n>>>>>>> other\n")


def conflict_marker_in_a_policy(team):
    path = team / "base/platform/policies/jobs-run-once.yaml"
    path.write_text(f"<<<<<<< HEAD\n{path.read_text()}=======\n>>>>>>> other\n")


def unknown_environment(team):
    path = team / "experiments/lost/experiment.yaml"
    path.parent.mkdir()
    path.write_text(
        (team / "experiments/waiting/experiment.yaml")
        .read_text()
        .replace("environment: local", "environment: lab")
    )


def receipt_of_a_promotion_deleted(team):
    git(team, "rm", "--quiet", "experiments/better/runs/c39d9a14b0.yaml")


def data_receipt_deleted(team):
    git(team, "rm", "--quiet", "-r", "experiments/better/data")


def deleted_environment(team):
    (team / "environments/local/environment.yaml").unlink()


def everything_deleted(team):
    git(team, "rm", "--quiet", "-r", "environments")


def base_deleted(team):
    git(team, "rm", "--quiet", "-r", "base")


def cyclic_kustomization(team):
    path = team / "base/training-job/kustomization.yaml"
    path.write_text(path.read_text() + "- ../training-job\n")


def rollout_that_does_not_fit(team):
    target = (
        git(team, "grep", "-h", "ml-pipeline/target", "environments/local/serving")
        .split()[-1]
        .strip("'")
    )
    (team / f"environments/local/rollouts/digits/{target}.yaml").write_text(
        "- {op: replace, path: /spec/predictors/7/traffic, value: 100}\n"
    )


def policy_that_does_not_compile(team):
    path = team / "base/platform/policies/jobs-run-once.yaml"
    path.write_text(path.read_text().replace("!has(object.spec.ttl", "!!has((object.spec.ttl", 1))


BAD = {
    not_utf_8: "`experiments/waiting/experiment.yaml:2: byte 0xff is not UTF-8; save the file as UTF-8`",
    five_megabytes: "has 5242880 bytes, at most 262144 are read; keep data out of documents",
    five_megabytes_in_base: "`base/training-job/job.yaml:1: has 5242880 bytes, at most 262144 are read; keep data out of documents`",
    link_out: "`experiments/waiting/experiment.yaml:1: is a symbolic link, which Flux leaves out; replace it by the file`",
    new_link_out: "`experiments/secret.yaml:1: is a symbolic link, which Flux leaves out; replace it by the file`",
    file_over_folder: "`experiments/waiting:1: is in no place that holds documents; see the tree in README.md`",
    shell_characters: "`experiments/$(touch pwned);'id'/experiment.yaml:4: name: 'waiting' differs from its folder",
    name_not_utf_8: "the name holds what is not printable UTF-8; rename the file",
    conflict_marker: "`environments/local/environment.yaml:1: holds a merge conflict marker; resolve the conflict and commit again`",
    conflict_marker_in_base: "`base/training-job/job.yaml:",
    conflict_marker_in_a_policy: "base/platform/policies/jobs-run-once.yaml:1: is not YAML",
    unknown_environment: "experiments/lost/experiment.yaml:7: environment: 'lab' does not exist; known are local",
    receipt_of_a_promotion_deleted: "run: 'better/c39d9a14b0' has no receipt experiments/better/runs/c39d9a14b0.yaml; wait for the run",
    data_receipt_deleted: "environments/local/training/data-216b187a78-",
    deleted_environment: "environments/local/promotions/digits.yaml:1: promotes in the environment 'local', which does not exist",
    everything_deleted: "experiments/waiting/experiment.yaml:7: environment: 'local' does not exist; there are none yet",
    base_deleted: "base/flux/platform/namespace.yaml:1: is missing; restore it from git",
    cyclic_kustomization: "environments/local/training/waiting-ddd4bf48a3-78502af983/kustomization.yaml:1: cannot be built: ",
    rollout_that_does_not_fit: "does not fit promotions/digits.yaml; restore it from git",
    policy_that_does_not_compile: "does not compile: ",
}


@pytest.mark.parametrize("spoil", BAD, ids=lambda spoil: spoil.__name__)
@pytest.mark.parametrize("commit", [False, True], ids=["uncommitted", "committed"])
def test_bad_input_is_a_finding_and_the_comment_is_there(team, capsys, spoil, commit):
    spoil(team)
    if commit:
        git(team, "add", "--all")
        git(team, "commit", "--quiet", "--message", "Spoil")
    code, said = review(team, capsys)
    assert BAD[spoil] in said
    assert "crashed" not in said
    assert code == 1
    assert not (team / "pwned").exists()


def test_other_budget_is_told_with_what_is_spent_of_it(team, capsys):
    path = team / "environments/local/environment.yaml"
    path.write_text(path.read_text().replace("monthly: 100", "monthly: 80"))
    code, said = review(team, capsys)
    assert code == 0
    assert "- `changes the budget of local from 100 USD to 80 USD a month`" in said
    assert "58.40 serving, 21.60 of 80 USD left" in said


def test_character_that_no_reader_takes_is_told_once(team, capsys):
    path = team / "experiments/waiting/experiment.yaml"
    path.write_text(path.read_text().replace("seed:", "\0seed:"))
    _, said = review(team, capsys)
    assert said.count("experiments/waiting/experiment.yaml:") == 1


@pytest.mark.parametrize("base", ["gone", "--output=x"])
def test_unknown_base_is_wrong_usage_in_one_line(team, capsys, base):
    capsys.readouterr()
    assert main(["review", "--repo", str(team), f"--base={base}"]) == 2
    said = f"'{base}' is not a revision of this repository; fetch it, or correct the name\n"
    assert capsys.readouterr() == ("", said)


def test_shallow_clone_is_named(team, capsys):
    for number in range(3):
        git(team, "commit", "--quiet", "--allow-empty", "--message", f"{number}")
    git(team, "push", "--quiet", "origin", "main")
    git(
        team.parent,
        "clone",
        "--quiet",
        "--depth",
        "1",
        f"file://{team.parent}/origin.git",
        "shallow",
    )
    assert main(["review", "--repo", str(team.parent / "shallow"), "--base", "HEAD~2"]) == 2
    said = capsys.readouterr().err
    assert "'HEAD~2' is not a revision of this repository, a shallow clone; fetch it" in said


def test_histories_without_a_common_commit_are_named(team, capsys):
    git(team, "checkout", "--quiet", "--orphan", "other")
    git(team, "commit", "--quiet", "--message", "Other")
    _, said = review(team, capsys)
    assert "have no commit in common; fetch the history, 'git fetch --unshallow'" in said


def test_check_that_crashes_takes_nothing_from_the_others(team, capsys, monkeypatch):
    def crash(*_):
        raise ZeroDivisionError("`surprise`")

    monkeypatch.setattr("ml_pipeline.operations.review.policy_faults", crash)
    code, said = review(team, capsys)
    assert code == 3
    assert (
        "### The check of policies crashed\n\n`ZeroDivisionError: 'surprise'`; its lines are in the log of the run."
        in said
    )
    assert "Checked: `documents (5 experiments" in said
    assert "please report it with these lines" in capsys.readouterr().err


def test_findings_are_annotations_on_their_lines(team, capsys):
    path = team / "experiments/waiting/experiment.yaml"
    path.write_text(path.read_text().replace("memory: 2Gi", "memory: '2%,:'"))
    review(team, capsys, "--annotations")
    (line,) = capsys.readouterr().err.splitlines()
    start = "::error file=experiments/waiting/experiment.yaml,line=13,title=documents::resources.memory: '2%25,:' must be"
    assert line.startswith(start)


def test_nothing_that_a_review_prints_is_a_command_to_github_actions(team, capsys, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    path = team / "experiments/waiting/experiment.yaml"
    path.write_text(path.read_text() + "'::add-mask::x': 1\n'##[add-mask]y': 1\n")
    for output in ("text", "markdown", "json"):
        review(team, capsys, "--output", output)
        said = capsys.readouterr()
        assert "add-mask" in said.out
        assert "##[" not in said.out + said.err
        assert not re.search(r"(?m)^\s*::", said.out + said.err)
        if output == "json":
            assert "##[add-mask]y" in json.dumps(json.loads(said.out))


def test_key_that_is_not_known_is_quoted_and_cut_everywhere(team, capsys):
    path = team / "experiments/waiting/experiment.yaml"
    path.write_text(path.read_text() + f'"@team\\e[31m\\n![x](https://x.y)": 1\n{"k" * 900}: 1\n')
    code, said = review(team, capsys)
    out = capsys.readouterr().out
    where = r"experiments/waiting/experiment.yaml:16: '@team\x1b[31m\n![x](https://x.y)': is not a known key"
    assert code == 1
    assert f"- `{where}" in said
    assert where in out
    assert f": '{'k' * 56}...: is not a known key" in out
    assert "\x1b" not in out


def test_finding_of_a_hostile_name_stays_one_annotation(team, capsys):
    folder = team / "experiments/a,line=1::error file=x"
    folder.mkdir()
    (folder / "experiment.yaml").write_text("kind: Experiment\n")
    review(team, capsys, "--annotations")
    lines = capsys.readouterr().err.splitlines()
    assert {line.split(",")[0] for line in lines} == {
        "::error file=experiments/a%2Cline=1%3A%3Aerror file=x/experiment.yaml"
    }


def test_json_has_checks_consequences_and_objects(team, capsys):
    review(team, capsys, "--output", "json")
    data = json.loads(capsys.readouterr().out)
    assert [check["name"] for check in data["checks"]] == [
        "revisions",
        "places",
        "automation's files",
        "documents",
        "rendered files",
        "policies",
        "budgets",
        "consequences",
        "people's own places",
        "objects",
    ]
    assert (data["consequences"], data["objects"]) == ([], [])


def test_operation_returns_the_review_and_talks_to_whom_it_is_given(team, capsys, monkeypatch):
    monkeypatch.setattr(operation, "policy_faults", lambda *_: 1 / 0)
    said: list[str] = []
    capsys.readouterr()
    answer = operation.review(team, operation.Merge(), talk=said.append)
    assert (answer.holds, answer.crashed, len(said)) == (False, True, 1)
    assert not answer.difference
    assert capsys.readouterr() == ("", "")
