"""A team whose experiments train anew: its clone, its sources, and whoever finishes what is awaited."""

import itertools
import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.conftest import FIXTURES, REPOSITORY, folder, git
from tests.support.recurring import played

EXPERIMENT = (FIXTURES / "valid/experiments/good/experiment.yaml").read_text()


def experiment(name: str, source: Path, schedule: str = "@daily", more: str = "") -> bytes:
    """A recurring experiment: that of the fixtures, on a source that changes."""
    dataset = f"{{uri: 'file://{source}', sha256: '{'d' * 64}'}}"
    text = EXPERIMENT.replace("name: good", f"name: {name}")
    text = text.replace("{uri: bundled://digits}", dataset)
    return f"{text}schedule: '{schedule}'\n{more}".encode()


def dag_files() -> dict[str, bytes]:
    """The DAG files of this repository by their paths."""
    return {f"dags/{path}": raw for path, raw in folder(REPOSITORY / "dags").items()}


def write(top: Path, files: dict[str, bytes | None]) -> None:
    """Write files below a folder, None for one that goes."""
    for path, raw in files.items():
        target = top / path
        if raw is None:
            target.unlink()
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(raw)


class Team:
    """People at their clone; `settings` are what an Airflow of theirs is told."""

    def __init__(self, clone: Path, top: Path) -> None:
        self.clone, self.top, self.bundle = clone, top, top / "bundle"
        self._lock = threading.RLock()  # the environment plays in the background, in the same clone
        bundle = "airflow.dag_processing.bundles.local.LocalDagBundle"
        place = {"name": "team", "classpath": bundle, "kwargs": {"path": f"{self.bundle}/dags"}}
        self.settings = {
            "ML_PIPELINE_ORIGIN": git(clone, "remote", "get-url", "origin"),
            "ML_PIPELINE_BRANCH": "main",
            "ML_PIPELINE_WORK": str(top / "work.git"),
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([place]),
        }
        self.commit(dag_files(), "Add DAGs")
        git(top, "clone", "--quiet", "origin.git", self.bundle.name)

    def source(self, name: str) -> Path:
        """The file that a recurring experiment trains on."""
        return self.top / "sources" / f"{name}.csv"

    def experiment(self, name: str, *, schedule: str = "@yearly", more: str = "") -> None:
        """Merge a recurring experiment with its source; one that is not due while a test runs."""
        source = self.source(name)
        write(source.parent, {source.name: b"a,b\n1,2\n"})
        raw = experiment(name, source, schedule, more)
        self.commit({f"experiments/{name}/experiment.yaml": raw}, f"Schedule {name}")
        self.deploy()

    def deploy(self) -> None:
        """Give the DAG processor what is on the branch."""
        git(self.bundle, "pull", "--quiet")

    def commit(self, files: dict[str, bytes | None], subject: str) -> None:
        """Push files on top of the branch."""
        with self._lock:
            self._pull()
            write(self.clone, files)
            git(self.clone, "add", "--all")
            git(self.clone, "commit", "--quiet", "--message", subject)
            self._push()

    def revert(self, subject: str) -> None:
        """Plain git: revert the newest commit with a subject, and push."""
        with self._lock:
            self._pull()
            commit = git(self.clone, "log", "-1", "--format=%H", f"--grep={subject}")
            git(self.clone, "revert", "--no-edit", commit)
            self._push()

    def _pull(self) -> None:
        git(self.clone, "pull", "--quiet", "--rebase", "origin", "main")

    def _push(self) -> None:
        """Automation pushes to the same branch: whoever comes second takes the first along."""
        for _ in range(5):
            with suppress(subprocess.CalledProcessError):
                git(self.clone, "push", "--quiet", "origin", "HEAD:main")
                return
            self._pull()
        raise AssertionError("the branch moved too often")

    def _log(self, *options: str) -> list[str]:
        with self._lock:
            git(self.clone, "fetch", "--quiet", "origin", "main")
            return git(self.clone, "log", *options).splitlines()

    def subjects(self, *paths: str) -> list[str]:
        """Of the branch's commits, newest first; of those that touched some paths."""
        return self._log("--format=%s", "origin/main", "--", *paths)

    def proposals(self) -> list[str]:
        """Every commit that proposed an interval, newest first."""
        return [line for line in self.subjects() if line.startswith("Retrain ")]

    def tree(self) -> dict[str, bytes]:
        """The files of the branch now."""
        tops = ("experiments", "environments", "base")
        with self._lock:
            self._pull()
            return {path: raw for top in tops for path, raw in folder(self.clone, top).items()}

    def finish(self, accuracy: float = 0.98) -> None:
        """Commit the receipts of everything that is awaited."""
        with self._lock:
            before = self.tree()
            after = played(before, accuracy)
            changed: dict[str, bytes | None] = dict.fromkeys(before.keys() - after.keys())
            changed |= {path: raw for path, raw in after.items() if before.get(path) != raw}
            if changed:
                self.commit(changed, "Settle")

    def added(self, path: str) -> list[str]:
        """Every file below a path each time that a commit has added it."""
        form = ("--no-renames", "--diff-filter=A", "--name-only", "--format=")
        return self._log(*form, "origin/main", "--", path)

    @contextmanager
    def environment(self, seconds: float = 0.2) -> Iterator[None]:
        """Stands in, in the background, for what writes the sources, trains and reconciles."""
        end = threading.Event()
        rows = itertools.count()

        def play() -> None:
            while not end.wait(seconds):
                for source in (self.top / "sources").iterdir():
                    source.write_text(f"a,b\n1,{next(rows)}\n")
                self.finish()

        thread = threading.Thread(target=play)
        thread.start()
        try:
            yield
        finally:
            end.set()
            thread.join()
