"""`review --head`: another's commit, read by git's objects alone; nothing of it is checked out, run, or fetched."""

import os
import re
import stat

import pytest
from ml_pipeline.cli import main

from tests.conftest import git


@pytest.fixture
def team(rendered_team, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")  # 2026-01-01
    return rendered_team


def changed_seed(team) -> str:
    """A commit on a branch of its own that trains another seed; the checkout is back on main then."""
    git(team, "checkout", "--quiet", "-b", "topic")
    path = team / "experiments/waiting/experiment.yaml"
    path.write_text(re.sub(r"seed: \d+", "seed: 99", path.read_text()))
    main(["render", "--repo", str(team)])
    return committed(team)


def committed(team) -> str:
    git(team, "add", "--all", "--force")
    git(team, "commit", "--quiet", "--message", "Change")
    head = git(team, "rev-parse", "HEAD").strip()
    git(team, "checkout", "--quiet", "main")
    return head


def answer(team, capsys, *options: str) -> tuple[int, str]:
    capsys.readouterr()
    code = main(["review", "--repo", str(team), "--output", "markdown", *options])
    return code, capsys.readouterr().out


def everything(folder) -> dict[str, tuple[int, bytes]]:
    """Each file of a folder, git's own included, with when it was written."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_head_gets_the_answer_that_its_checkout_gets(team, capsys):
    head = changed_seed(team)
    code, said = answer(team, capsys, "--head", head)
    assert "cancels the run" in said
    assert "trains waiting/" in said
    git(team, "checkout", "--quiet", "topic")
    assert (code, said) == answer(team, capsys)
    assert code == 0


def test_head_is_read_beside_whatever_lies_in_the_working_tree(team, capsys):
    head = changed_seed(team)
    expected = answer(team, capsys, "--head", head)
    (team / "experiments/waiting/experiment.yaml").write_text("half: ")
    (team / "experiments/untracked").mkdir()
    (team / "experiments/untracked/experiment.yaml").symlink_to("/dev/zero")
    git(team, "rm", "--quiet", "-r", "base")
    before = everything(team)
    assert answer(team, capsys, "--head", head) == expected
    assert everything(team) == before


def test_head_is_read_in_a_bare_repository(team, capsys):
    head = changed_seed(team)
    expected = answer(team, capsys, "--head", head)
    git(team, "push", "--quiet", "origin", "topic")
    bare = team.parent / "origin.git"
    assert answer(bare, capsys, "--base", "main", "--head", head) == expected


def test_nothing_of_a_head_is_run(team, capsys):
    """Hooks, filters, configuration and programs that a head brings along, each of which would leave a file behind."""
    trap = team.parent / "trap"
    git(team, "checkout", "--quiet", "-b", "topic")
    script = f"#!/bin/sh\ntouch {trap}\n"
    for name in ("hooks/post-checkout", ".githooks/reference-transaction", "Makefile", "setup.py"):
        (team / name).parent.mkdir(exist_ok=True)
        (team / name).write_text(script)
        (team / name).chmod(0o755)
    (team / ".gitconfig").write_text(f'[filter "trap"]\n\tsmudge = touch {trap}\n')
    (team / ".gitattributes").write_text("*.yaml filter=trap diff=trap\n")
    (team / "sitecustomize.py").write_text(f"open({str(trap)!r}, 'w')\n")
    head = committed(team)
    code, said = answer(team, capsys, "--head", head)
    assert "`.gitattributes:1: 'filter' gives a checkout other bytes than Flux reads" in said
    assert code == 1
    assert not trap.exists()


def test_filters_of_the_clone_itself_are_not_run_on_a_head(team, capsys):
    head = changed_seed(team)
    expected = answer(team, capsys, "--head", head)
    for way in ("filter.trap.smudge", "filter.trap.clean", "diff.trap.textconv"):
        git(team, "config", way, f"touch {team.parent}/trap; cat")
    (team / ".git/info/attributes").write_text("*.yaml filter=trap diff=trap\n")
    assert answer(team, capsys, "--head", head) == expected
    assert not (team.parent / "trap").exists()


def test_what_others_have_merged_meanwhile_is_no_part_of_a_head(team, capsys):
    head = changed_seed(team)
    expected = answer(team, capsys, "--head", head)
    git(team, "rm", "--quiet", "-r", "experiments/better")
    git(team, "commit", "--quiet", "--message", "Elsewhere")
    git(team, "push", "--quiet", "origin", "main")
    assert answer(team, capsys, "--head", head) == expected


def test_links_and_submodules_of_a_head_are_findings(team, capsys):
    git(team, "checkout", "--quiet", "-b", "topic")
    (team / "experiments/secret.yaml").symlink_to("/etc/hostname")
    git(team, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},base/inner")
    git(team, "add", "experiments")
    git(team, "commit", "--quiet", "--message", "Change")
    code, said = answer(team, capsys, "--head", "topic")
    assert "experiments/secret.yaml:1: is a symbolic link" in said
    assert "base/inner:1: is a submodule" in said
    assert code == 1


def test_tree_that_leads_out_of_itself_is_a_finding(team, capsys):
    """No `git add` makes it, but objects are what somebody sends."""

    def tree(*entries: tuple[str, str, str]) -> str:
        raw = b"".join(f"{m} {name}".encode() + b"\0" + bytes.fromhex(i) for m, name, i in entries)
        (team / "raw").write_bytes(raw)
        return git(team, "hash-object", "-t", "tree", "-w", "--literally", "raw").strip()

    (team / "x").write_text("a: b\n")
    blob = git(team, "hash-object", "-w", "x").strip()
    up = tree(("100644", "out.yaml", blob))
    base = tree(("40000", "..", up))
    root = tree(("40000", "base", base))
    head = git(team, "commit-tree", root, "-p", "main", "-m", "Out").strip()
    code, said = answer(team, capsys, "--head", head)
    assert "base/../out.yaml:1: the name leads out of its folder" in said
    assert code == 1


@pytest.mark.parametrize("head", ["gone", "f" * 40, "", "--output=x", "main:base", "HEAD^{tree}"])
def test_head_that_is_not_there_is_one_line(team, capsys, head):
    assert main(["review", "--repo", str(team), f"--head={head}"]) == 2
    said = f"'{head}' is not a revision of this repository; fetch it, or correct the name\n"
    assert capsys.readouterr().err == said


def test_head_without_a_common_commit_is_one_line(team, capsys):
    git(team, "checkout", "--quiet", "--orphan", "other")
    head = committed(team)
    code, said = answer(team, capsys, "--head", head)
    assert f"'origin/main' and {head} have no commit in common; fetch the history" in said
    assert code == 1


def test_shallow_clone_is_named(team, capsys):
    head = changed_seed(team)
    git(team, "push", "--quiet", "origin", "topic")
    url = f"file://{team.parent}/origin.git"
    git(team.parent, "clone", "--quiet", "--depth", "1", "--no-single-branch", url, "shallow")
    code, said = answer(team.parent / "shallow", capsys, "--head", head)
    assert "have no commit in common, a shallow clone; fetch the history" in said
    assert code == 1


def test_nothing_is_fetched_for_a_head(team, capsys):
    """A partial clone would fetch what it lacks."""
    head = changed_seed(team)
    git(team, "push", "--quiet", "origin", "topic")
    origin = team.parent / "origin.git"
    git(origin, "config", "uploadpack.allowFilter", "true")
    git(
        *(team.parent, "clone", "--quiet", "--no-checkout", "--filter=blob:none"),
        *(f"file://{origin}", "partial"),
    )
    code, said = answer(team.parent / "partial", capsys, "--head", head)
    assert "### Revisions: no answer" in said
    assert code == 1


def test_objects_of_a_clone_that_replace_others_are_not_read(team, capsys):
    head = changed_seed(team)
    expected = answer(team, capsys, "--head", head)
    git(team, "replace", head, "main")
    assert answer(team, capsys, "--head", head) == expected


# ---- --comment FILE


def link(place):
    (place.parent / "target").write_text("mine")
    place.symlink_to("target")


def dangling_link(place):
    place.symlink_to("nowhere")


def folder(place):
    place.mkdir()


def pipe(place):
    os.mkfifo(place)


def device(place):
    try:
        os.mknod(place, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root makes devices")


KINDS = {link: "a link", dangling_link: "a link", folder: "a folder", pipe: "a named pipe"}
KINDS |= {device: "a device"}


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_comment_is_written_over_a_file_and_nothing_else(team, capsys, make):
    place = team.parent / "comment.md"
    make(place)
    before = place.lstat()
    capsys.readouterr()
    assert main(["review", "--repo", str(team), "--comment", str(place)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == f"'{place}' is {KINDS[make]}; name a new file, or a regular one\n"
    assert (place.lstat().st_ino, place.lstat().st_mode) == (before.st_ino, before.st_mode)
    assert make is not link or (team.parent / "target").read_text() == "mine"


def test_comment_is_not_written_through_a_link_of_the_checkout(team, capsys, monkeypatch):
    (team.parent / "elsewhere").mkdir()
    (team / "build").symlink_to("../elsewhere")
    monkeypatch.chdir(team)
    assert main(["review", "--comment", "build/review.md"]) == 2
    assert "build' is a link; name a new file" in capsys.readouterr().err
    assert list((team.parent / "elsewhere").iterdir()) == []


def test_comment_replaces_a_regular_file_whole(team, capsys):
    place = team.parent / "comment.md"
    place.write_text("x" * 100_000)
    assert main(["review", "--repo", str(team), "--comment", str(place)]) == 0
    assert place.read_text().startswith("<!-- ml-pipeline:review -->")
    assert len(place.read_text()) < 1_000


def test_object_with_a_hostile_name_is_told_in_code(team, capsys):
    git(team, "checkout", "--quiet", "-b", "topic")
    own = team / "environments/staging/platform/team"
    own.mkdir(parents=True)
    (own / "kustomization.yaml").write_text(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [role.yaml]\n"
    )
    name = r'"x\n```\n@team ![x](https://x.y)"'
    (own / "role.yaml").write_text(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\n"
        f"metadata: {{name: {name}, namespace: staging-training}}\n"
        r'rules: [{apiGroups: [""], resources: ["#1\e[2J"], verbs: [get]}]' + "\n"
    )
    main(["render", "--repo", str(team)])
    head = committed(team)
    _, said = answer(team, capsys, "--head", head)
    assert "- `adds Role x ''' @team ![x](https://x.y) in staging-training, which allows" in said
    assert "+ Role staging-training/x ''' @team ![x](https://x.y)" in said
    assert said.count("```") == 2
    assert "\x1b" not in said
