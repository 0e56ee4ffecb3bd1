"""What the API server would refuse, before the merge."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from ml_pipeline.adapters.git.working_tree import open_tree
from ml_pipeline.adapters.kustomize import Overlays
from ml_pipeline.documents.faults import Fault
from ml_pipeline.documents.snapshot import Files, Snapshot
from ml_pipeline.documents.source import Source
from ml_pipeline.layout import (
    entry_of,
    environment_path,
    experiment_path,
    own_place,
    owner_of,
    part_of,
    promotion_path,
)
from ml_pipeline.rules.kustomize.kustomizations import first_file, units
from ml_pipeline.rules.kustomize.objects import Object
from ml_pipeline.rules.render.overlays import LABEL_EXPERIMENT
from ml_pipeline.rules.render.platform import applier
from ml_pipeline.rules.review.faults import checked_snapshot
from ml_pipeline.rules.review.manifests import Manifests
from ml_pipeline.rules.review.own_places import own_place_faults, own_places
from ml_pipeline.rules.review.policies import Denial, Policies, policies_of

_JUDGED = ("platform", "training", "serving")


@dataclass(frozen=True)
class Judgement:
    """What would be refused, in the order of places, and how many objects were looked at."""

    faults: tuple[Fault, ...]
    objects: int


def policy(repo: Path) -> Judgement:
    """Evaluate the policies of base/platform/policies on everything that is rendered.

    Raises:
        PipelineError: a policy cannot be evaluated here.
        InvalidDocumentsError: a document is not valid, or a folder does not build.
    """
    snapshot = checked_snapshot(open_tree(repo))
    with Overlays(snapshot.files) as overlays:
        return policy_faults(snapshot, overlays)


def policy_faults(
    snapshot: Snapshot, overlays: Overlays, within: Collection[str] | None = None
) -> Judgement:
    """What would be refused of what Flux builds, and what may not stand in people's own places.

    With `within`, of those builds alone.

    Raises:
        PipelineError: a policy cannot be evaluated here.
        InvalidDocumentsError: a folder does not build.
    """
    builds = _judged(snapshot.files, within)
    concerned = {owner_of(unit) for unit in builds}
    # Where everything is looked at, so are policies that judge nothing yet: one that cannot be
    # evaluated has to be found.
    policies = {
        name: policies_of(snapshot, environment)
        for name, environment in snapshot.environments.items()
        if within is None or name in concerned
    }
    faults: list[Fault] = []
    count = 0
    for unit in builds:
        name = owner_of(unit)
        # An environment without a document has no policies; that it lacks one is said elsewhere.
        objects = overlays.objects(unit) if name in policies else []
        count += len(objects)
        elsewhere: set[tuple[str, str, str]] = set()
        if _is_own(unit):
            if name in policies:
                faults += own_place_faults(
                    snapshot.environments[name], unit, snapshot.files, objects
                )
        elif part_of(unit) == "platform":
            # It builds people's own places too: those objects are told where they stand.
            elsewhere = _in_own_places(snapshot.files, overlays, unit)
        for manifest in objects:
            if _key(manifest) not in elsewhere:
                faults += _refused(snapshot, unit, policies[name], manifest)
    return Judgement(tuple(sorted(faults)), count)


def _in_own_places(files: Files, overlays: Overlays, unit: str) -> set[tuple[str, str, str]]:
    """Objects of a platform that people keep in places of their own."""
    keys: set[tuple[str, str, str]] = set()
    for place in own_places(files):
        if place.startswith(f"{unit}/"):
            keys |= {_key(manifest) for manifest in overlays.objects(place)}
    return keys


def _key(manifest: Object) -> tuple[str, str, str]:
    metadata = manifest["metadata"]
    return manifest["kind"], metadata.get("namespace", ""), metadata["name"]


def _judged(files: Files, within: Collection[str] | None) -> list[str]:
    """What Flux builds, but for what an administrator applies; and people's own places."""
    if within is not None:
        return sorted(unit for unit in within if part_of(unit) in _JUDGED)
    rendered = (path for path in files if part_of(path) in _JUDGED)
    return sorted({*units(files, rendered), *own_places(files)})


def _is_own(unit: str) -> bool:
    """Whether people keep a build in a place of their own."""
    # With a slash at its end the unit is asked about as a folder that files lie in.
    return own_place(f"{unit}/") == unit


def _refused(
    snapshot: Snapshot, unit: str, policies: Policies, manifest: Object
) -> Iterator[Fault]:
    account = applier(snapshot.environments[owner_of(unit)], part_of(unit))
    for denial in policies.denials(manifest, account):
        yield _fault(snapshot, unit, manifest, denial)


def _fault(snapshot: Snapshot, unit: str, manifest: Object, denial: Denial) -> Fault:
    """Where a person can repair it, at the key that the message names."""
    name = f"{manifest['kind']} {manifest['metadata']['name']}"
    text = f"{name}: {denial.message} (policy {denial.policy})"
    if _is_own(unit):
        text = f"{denial.message} (policy {denial.policy})"
        return Manifests(snapshot.files, unit).fault(manifest, (), text)
    path = _document(unit, manifest, denial)
    source = snapshot.source(path)
    if source is None:
        return Fault(first_file(snapshot.files, unit), 1, "", text)
    key = _named_key(source, denial.message)
    return source.fault(key, text) if key else Fault(path, 1, "", text)


def _document(unit: str, manifest: Object, denial: Denial) -> str:
    """The document that an object is rendered from, or whose facts the policy is about."""
    environment = owner_of(unit)
    if "environment.yaml" in denial.message:
        return environment_path(environment)
    if part_of(unit) == "platform":
        return environment_path(environment)
    if part_of(unit) == "serving":
        return promotion_path(environment, entry_of(unit))
    labels = manifest["metadata"].get("labels") or {}
    return experiment_path(labels.get(LABEL_EXPERIMENT, entry_of(unit)))


def _named_key(source: Source, message: str) -> str:
    """The last word of a message that is a key of the document: its end says what to correct."""
    words = [word.strip(".,;:'") for word in message.split()]
    for word in reversed(words):
        if tuple(word.split(".")) in source.lines:
            return word
    return ""
