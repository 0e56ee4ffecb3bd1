"""What a merge will do, beyond the objects that it changes: what trains, what is reused, what is
cancelled, who gets which traffic."""

from collections.abc import Iterable, Iterator

from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import POLICIES, environment_path, owner_of, stem_of
from ml_pipeline.rules.review.consequence import Consequence, in_order
from ml_pipeline.rules.review.diff import ObjectChange
from ml_pipeline.rules.review.jobs import job_consequences
from ml_pipeline.rules.review.schedules import schedule_consequences
from ml_pipeline.rules.review.spending import spending_consequences
from ml_pipeline.rules.review.traffic import traffic_consequences

_POLICY_KINDS = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")


def consequences(before: Snapshot, after: Snapshot, changed: Iterable[str]) -> list[Consequence]:
    """Everything that follows from going from one revision to another that differs in some paths,
    the largest first."""
    paths = sorted(changed)
    return in_order(
        [
            *_policy_consequences(before, after, paths),
            *job_consequences(before, after, paths),
            *schedule_consequences(before, after, paths),
            *traffic_consequences(before, after, paths),
            *spending_consequences(before, after, paths),
        ]
    )


def object_consequences(
    objects: Iterable[ObjectChange], changed: Iterable[str]
) -> Iterator[Consequence]:
    """Policies that change as the facts of an environment do, though none of their files does."""
    paths = sorted(changed)
    if any(path.startswith(POLICIES) for path in paths):
        return
    for change in objects:
        if change.kind not in _POLICY_KINDS:
            continue
        text = (
            f"changes what the cluster refuses, by {change.kind} {change.name}; "
            "the policies were judged as they are afterwards"
        )
        for path in paths:
            name = owner_of(path)
            if path == environment_path(name) and change.name.startswith(f"{name}-"):
                yield Consequence("policies", text, path)


def _policy_consequences(
    before: Snapshot, after: Snapshot, paths: Iterable[str]
) -> Iterator[Consequence]:
    """Policies that the merge adds, changes or takes out.

    They are data of the head, so a weaker one lets more pass in its own review.
    """
    for path in paths:
        if not path.startswith(POLICIES):
            continue
        doing = "changing" if path in before.files else "adding"
        if path not in after.files:
            doing = "taking out"
        text = (
            f"changes what the cluster refuses, by {doing} {stem_of(path)}; "
            "the policies were judged as they are afterwards"
        )
        yield Consequence("policies", text, path)
