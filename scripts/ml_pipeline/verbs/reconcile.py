"""`ml-pipeline reconcile`: one idempotent pass from what has happened to what git says, or one pass after another."""

import time
from functools import lru_cache
from pathlib import Path

from ml_pipeline.adapters.git import AUTOMATION, Repository, clear_stale_locks
from ml_pipeline.documents.faults import ConflictError, InvalidDocumentsError, PipelineError
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.local.observe import find_state, observe
from ml_pipeline.local.state import State
from ml_pipeline.rules.checks import checked
from ml_pipeline.rules.reconcile import Observed, Step, awaited, held_by_faults, plan
from ml_pipeline.verbs import console

PASS_SECONDS = 0.5
_ATTEMPTS = 10


def reconcile(repo: Path, environment: str, *, state: Path | None = None, once: bool = False, dry_run: bool = False) -> int:
    """Commit and push what automation has to say; with `dry_run` only print it."""
    where = State(state) if state else find_state(repo)
    repository = Repository(where.automation)
    if once or dry_run:
        steps, held = one_pass(repository, where, environment, dry_run=dry_run)
        for step in steps:
            console.result(f"{step.subject}: {step.reason}")
        for reason in held:
            console.talk(f"held: {reason}")
        if not steps:
            console.result("nothing to do")
        return console.FINDINGS if held or (dry_run and steps) else console.OK
    told: tuple[str, ...] = ()
    while True:
        try:
            steps, held = one_pass(repository, where, environment)
        except (PipelineError, OSError) as error:
            for server in (where.origin, where.automation):
                clear_stale_locks(server)
            steps, held = [], (str(error).splitlines()[0],)
        for line in [step.subject for step in steps] + [f"held: {reason}" for reason in held if held != told]:
            console.talk(line)
        told = held
        time.sleep(PASS_SECONDS)


def one_pass(repository: Repository, state: State, environment: str, *, dry_run: bool = False) -> tuple[list[Step], tuple[str, ...]]:
    """Plan on the newest revision and push; when the branch has moved meanwhile, plan again.

    Raises:
        PipelineError: the branch moved every time.
    """
    for _ in range(_ATTEMPTS):
        revision = repository.fetch()
        try:
            snapshot = _snapshot(repository, revision)
            _check_embedded(snapshot, environment)
        except InvalidDocumentsError as error:
            return [], (held_by_faults(list(error.faults)),)
        observed = _observed(repository, state, environment, snapshot, revision)
        steps = plan(snapshot, observed)
        if dry_run or not steps:
            return steps, observed.held
        head = revision
        for step in steps:
            head = repository.commit(head, step.changes, step.message, AUTOMATION)
        try:
            repository.push(head, revision)
        except ConflictError:
            continue
        return steps, observed.held
    raise PipelineError(f"the branch moved {_ATTEMPTS} times in a row; the next pass tries again")


def _check_embedded(snapshot: Snapshot, environment: str) -> None:
    found = snapshot.environments.get(environment)
    if found is None or found.runtime != "embedded":
        known = ", ".join(name for name, e in snapshot.environments.items() if e.runtime == "embedded")
        raise PipelineError(f"{environment!r} is no embedded environment, the only kind that is observed; name one of: {known}")


@lru_cache(maxsize=2)
def _snapshot(repository: Repository, revision: str) -> Snapshot:
    """Documents of a revision; a pass on the same revision reads them once."""
    return checked(repository.read(revision))


def _observed(repository: Repository, state: State, environment: str, snapshot: Snapshot, revision: str) -> Observed:
    waiting = awaited(snapshot, environment)
    observed = observe(state, environment, waiting)
    paths = [path for path in snapshot.documents if path.endswith("/experiment.yaml")] if observed.results else []
    commits = {path: repository.log([path], revision, "-1")[0].sha for path in paths}
    return Observed(environment, observed.results, observed.failed, observed.serving, commits, observed.held)
