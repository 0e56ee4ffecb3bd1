"""What one look at an environment gives to `reconcile`, and what it makes of that: commits, and what it leaves alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ml_pipeline.documents.results import Finished
from ml_pipeline.rules.rollout.evidence import ServingStatus


@dataclass(frozen=True)
class Hold:
    """Something that is left alone until it changes: `what` is a path on the branch, a service, or a Job; `reason` is one
    line with the way out. `since` is the time where it is known; else it is that of the commit, or of the first look."""

    what: str
    reason: str
    since: str = ""


@dataclass(frozen=True)
class Observed:
    """What one environment shows: results by identity, reasons of failed Jobs by short identity, serving by model; and
    from git the commit of each experiment, and when an overlay was committed by short identity.

    Results are those that a pod has vouched for (`rules/automation/words.py`). `unknown` are the identities of which there may
    be one, that no pod speaks of any more or MLflow does not show.
    """

    environment: str
    results: Mapping[str, Finished] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    serving: Mapping[str, ServingStatus] = field(default_factory=dict)
    commits: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, str] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    held: tuple[Hold, ...] = ()
