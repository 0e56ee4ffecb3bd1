"""What automation leaves alone, and since when."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from ml_pipeline.adapters.git.history import Commit
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.documents.fields import one_line
from ml_pipeline.environments.records import Held
from ml_pipeline.rules.automation.branch import Branch
from ml_pipeline.rules.automation.observed import Hold
from ml_pipeline.rules.review.plain_files import READ

_TO_THE_MINUTE = 16  # characters of 2026-01-01 00:00


def held_on_branch(
    repository: Repository, revision: str, branch: Branch, environment: str
) -> tuple[Held, ...]:
    """What is left alone because of files on the branch, each since its commit."""
    # The walk through the history is long, and only a faulty file's commit is asked of it.
    changes = repository.last_changes(revision, READ) if branch.faults else {}
    holds = (*branch.holds(environment), *branch.drift(environment).holds)
    return tuple(Held(one.what, one.reason, _since(changes.get(one.what))) for one in holds)


def held_now(holds: Iterable[Hold]) -> tuple[Held, ...]:
    """What is seen to be left alone now, since then or since it says itself."""
    return held_since(holds, {}, {})


def held_since(
    holds: Iterable[Hold], changes: Mapping[str, Commit], known: Mapping[str, str]
) -> tuple[Held, ...]:
    """Since when each is held: as it says itself, since the commit of a file, or the first look.

    `known` says since when by what is held, from earlier looks.
    """
    now = _to_the_minute(datetime.now(UTC))
    held = []
    for hold in holds:
        since = hold.since
        if not since and hold.what in changes:
            since = _since(changes[hold.what])
        held.append(Held(hold.what, hold.reason, since or known.get(hold.what, now)))
    return tuple(held)


def is_of_a_file(what: str) -> bool:
    """Whether what is held is a path on the branch, not a service or a Job."""
    return "/" in what


def _since(commit: Commit | None) -> str:
    if commit is None:
        return "an unknown commit"
    when = _to_the_minute(datetime.fromisoformat(commit.when).astimezone(UTC))
    return f"{when}, {commit.sha[:10]} by {one_line(commit.author, 60)}"


def _to_the_minute(when: datetime) -> str:
    return when.isoformat(" ")[:_TO_THE_MINUTE]
