"""How long a pull request waits for its answer, by the number of experiments, beside what people use for it today; printed.

`make bench` runs it with SIZES=100,1000,10000. Each figure is of a whole process that has nothing cached; time and peak memory
are those of the process. What takes minutes is measured on some overlays and multiplied, and says so.
"""

import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
from ml_pipeline.adapters.files import write_changes
from ml_pipeline.cli import main
from ml_pipeline.documents.changes import Changes

from tests.conftest import git
from tests.support.many import many, valid_tree, varied

pytestmark = pytest.mark.slow
SIZES = [int(size) for size in os.environ.get("SIZES", "100").split(",")]
SOME, CHUNK, MOST_IN_ONE_ROOT = 40, 100, 1000
ROOT = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n"
MOST_VARIED = 1000
JOB = "base/training-job/job.yaml"
POLICY = "base/platform/policies/pods-are-contained.yaml"
LAUNCHER = """
import os, sys, time
begun, quiet = time.perf_counter(), [(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)]
_, status, usage = os.wait4(os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet), 0)
print(time.perf_counter() - begun, usage.ru_maxrss, os.waitstatus_to_exitcode(status))
"""


@pytest.fixture(scope="module", params=SIZES)
def tree(request, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("tree")
    write_changes(path, Changes(many(request.param)))
    git(path, "init", "--quiet", "--initial-branch=main")
    commit(path, "Begin")
    return path


def commit(path: Path, subject: str) -> None:
    git(path, "add", "--all")
    git(path, "commit", "--quiet", "--message", subject)


def measured(*command: str, cwd: Path) -> tuple[float, int]:
    """Seconds and peak MiB of a command, started by a small process: a child begins with the memory of who started it."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", LAUNCHER, *command],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, kilobytes, code = done.stdout.split()
    assert code in ("0", "1"), done.stderr
    return float(seconds), int(kilobytes) // 1024


def pipeline(tree: Path, *arguments: str) -> tuple[float, int]:
    return measured(f"{sys.prefix}/bin/ml-pipeline", *arguments, cwd=tree)


def overlays(tree: Path) -> list[Path]:
    return sorted(
        path for path in (tree / "environments/local/training").iterdir() if path.is_dir()
    )


def size_of(tree: Path) -> int:
    return len(list((tree / "experiments").iterdir())) - 5


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_whole_answer_where_everything_changes(tree, say):
    edit(tree / JOB, "terminationGracePeriodSeconds: 60", "terminationGracePeriodSeconds: 90")
    main(["render", "--repo", str(tree)])
    steps = (
        ["validate"],
        ["render", "--check"],
        ["policy"],
        ["diff", "--base", "HEAD"],
        ["review", "--base", "HEAD"],
    )
    found = [pipeline(tree, *step) for step in steps]
    *parts, (seconds, peak) = found
    each = ", ".join(
        f"{step[0]} {taken:.2f}" for step, (taken, _) in zip(steps, parts, strict=False)
    )
    total, most = sum(taken for taken, _ in parts), max(memory for _, memory in parts)
    say(
        f"{size_of(tree):6d} experiments, base/ changed under all: {each}: {total:.2f} s in all, {most} MiB; review {seconds:.2f} s, {peak} MiB"
    )
    git(tree, "checkout", "--quiet", ".")


def test_whole_answer_where_one_experiment_changes(tree, say):
    path = tree / "experiments/e00007/experiment.yaml"
    edit(path, "memory: 2Gi", "memory: 3Gi")
    main(["render", "--repo", str(tree)])
    lines = []
    for name, arguments in (
        ("validate FILE", ["validate", str(path)]),
        ("diff", ["diff", "--base", "HEAD"]),
        ("review", ["review", "--base", "HEAD"]),
    ):
        found = [pipeline(tree, *arguments) for _ in range(5)]
        lines.append(
            f"{name} {statistics.median(taken for taken, _ in found):.2f} s, {max(peak for _, peak in found)} MiB"
        )
    say(f"{size_of(tree):6d} experiments, one changed, median of 5 processes: {'; '.join(lines)}")
    git(tree, "checkout", "--quiet", ".")


def test_review_of_experiments_that_are_not_alike(tmp_path, say):
    size = max(size for size in SIZES if size <= MOST_VARIED)
    write_changes(tmp_path, Changes(varied(size)))
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    commit(tmp_path, "Begin")
    lines = []
    for what, path, old, new in (
        ("base/", JOB, "terminationGracePeriodSeconds: 60", "terminationGracePeriodSeconds: 90"),
        ("a policy", POLICY, "failurePolicy: Fail", "failurePolicy: Fail # always"),
        ("an environment", "environments/staging/environment.yaml", "nodes: 9", "nodes: 8"),
        ("one experiment", "experiments/v00007/experiment.yaml", "memory: 8Gi", "memory: 7Gi"),
    ):
        edit(tmp_path / path, old, new)
        main(["render", "--repo", str(tmp_path)])
        found = [pipeline(tmp_path, "review", "--base", "HEAD") for _ in range(3)]
        seconds, peak = statistics.median(s for s, _ in found), max(p for _, p in found)
        lines.append(f"{what} changed {seconds:.2f} s, {peak} MiB")
        git(tmp_path, "checkout", "--quiet", ".")
        git(tmp_path, "clean", "--quiet", "-d", "--force")
    say(f"{size:6d} varied experiments, review, median of 3 processes: {'; '.join(lines)}")


def test_what_people_use_today(tree, say):
    folders = overlays(tree)
    kubectl = f"{sys.prefix}/bin/kubectl"
    some = [measured(kubectl, "kustomize", str(folder), cwd=tree)[0] for folder in folders[:SOME]]
    lines = [
        f"kubectl kustomize, one process an overlay {sum(some) / len(some) * len(folders):.1f} s (from {len(some)})"
    ]
    chunks = [folders[at : at + CHUNK] for at in range(0, len(folders), CHUNK)]
    chosen = chunks[: max(1, MOST_IN_ONE_ROOT // CHUNK)]
    taken = sum(rooted(tree, kubectl, chunk)[0] for chunk in chosen) / len(chosen) * len(chunks)
    lines.append(f"chunks of {CHUNK} {taken:.1f} s (from {len(chosen)} of {len(chunks)})")
    if len(folders) <= MOST_IN_ONE_ROOT + 1:
        seconds, peak = rooted(tree, kubectl, folders)
        lines.append(f"one root build {seconds:.1f} s, {peak} MiB")
    else:
        lines.append("one root build not run, it is quadratic")
    say(f"{size_of(tree):6d} experiments, one side only, manifests alone: {'; '.join(lines)}")


def rooted(tree: Path, kubectl: str, folders: list[Path]) -> tuple[float, int]:
    """One build of a root that lists folders."""
    root = tree / "environments/local/kustomization.yaml"
    root.write_text(ROOT + "".join(f"- training/{folder.name}\n" for folder in folders))
    found = measured(kubectl, "kustomize", str(root.parent), cwd=tree)
    root.unlink()
    return found


def test_list_of_many_runs(tmp_path, say):
    size = SIZES[-1]
    files = valid_tree()
    receipt = files["experiments/good/runs/31a4e76e1a.yaml"].decode()
    for number in range(size):
        short, name = f"{number:010x}", f"e{number // 10:05d}"
        text = receipt.replace("31a4e76e1a", short).replace(
            "experiment: good", f"experiment: {name}"
        )
        files[f"experiments/{name}/runs/{short}.yaml"] = text.encode()
    write_changes(tmp_path, Changes(files))
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    git(tmp_path, "remote", "add", "origin", str(tmp_path))
    commit(tmp_path, "Begin")
    some = ["runs", "--experiment", "e0000*", "--sort", "gate_accuracy"]
    for what, command in (("runs", ["runs"]), ("runs of 100 of them", some)):
        found = [pipeline(tmp_path, *command) for _ in range(5)]
        seconds, peak = (statistics.median(column) for column in zip(*found, strict=True))
        say(f"{size:6d} receipts, {what}: median {seconds:.2f} s of 5 processes, {peak:.0f} MiB")
