"""What a merge will do, beyond the objects that it changes: what trains, what is reused, what is
cancelled, who gets which traffic."""

from collections.abc import Iterable, Iterator

from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import POLICIES
from ml_pipeline.rules.review.consequence import Consequence, in_order
from ml_pipeline.rules.review.jobs import job_consequences
from ml_pipeline.rules.review.traffic import traffic_consequences


def consequences(before: Snapshot, after: Snapshot, changed: Iterable[str]) -> list[Consequence]:
    """Everything that follows from going from one revision to another that differs in some paths,
    the largest first."""
    paths = sorted(changed)
    return in_order(
        [
            *_policy_consequences(paths),
            *job_consequences(before, after, paths),
            *traffic_consequences(before, after, paths),
        ]
    )


def _policy_consequences(paths: Iterable[str]) -> Iterator[Consequence]:
    """Policies that the merge adds, changes or takes out.

    They are data of the head, so a weaker one lets more pass in its own review.
    """
    text = "changes what the cluster refuses; the policies were judged as they are afterwards"
    for path in paths:
        if path.startswith(POLICIES):
            yield Consequence("policies", text, path)
