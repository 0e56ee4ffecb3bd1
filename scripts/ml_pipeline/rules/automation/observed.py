"""What one look at an environment gives to `reconcile`, and what it leaves alone because of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ml_pipeline.documents.fields import one_line
from ml_pipeline.documents.results import Finished
from ml_pipeline.rules.rollout.evidence import ServingStatus

_TO_THE_MINUTE = 16  # characters of a time
_LONGEST = 900  # characters of the line of a hold


@dataclass(frozen=True)
class Hold:
    """Something that is left alone until it changes.

    `what` is a path on the branch, a service, or a Job; `reason` is one line with the way out.
    `since` is the time where it is known; else it is that of the commit, or of the first look.
    """

    what: str
    reason: str
    since: str = ""


@dataclass(frozen=True)
class PodEnd:
    """A pod that has ended: its exit code, and the termination message that it has left."""

    exit_code: int
    message: str


@dataclass(frozen=True)
class ObservedJob:
    """A Job with the pods of it that have ended, newest last.

    `identity` is the short one of what it makes; `ended` is when it ended, empty where it has not;
    `again` is how a person has it run once more.
    """

    name: str
    identity: str
    is_complete: bool
    ended: str
    again: str
    pods: tuple[PodEnd, ...] = ()

    @property
    def what(self) -> str:
        """How it is named among what is held."""
        return f"Job {self.name}"

    def hold(self, text: str) -> Hold:
        """Why its result is not taken, since its end."""
        since = self.ended[:_TO_THE_MINUTE].replace("T", " ")
        return Hold(self.what, one_line(text, _LONGEST), since)


@dataclass(frozen=True)
class Observed:
    """What one environment shows, and what git knows of it.

    `results` are by identity, and only those that a pod has vouched for
    (`rules/automation/termination.py`); `failed` are reasons of failed Jobs by short identity;
    `serving` is by model. `unknown` are the identities of which there may be a result, that no pod
    speaks of any more or MLflow does not show.
    From git come the commit of each experiment by its path, and in `requested` by short identity
    when a Job's overlay was committed.
    """

    environment: str
    results: Mapping[str, Finished] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    serving: Mapping[str, ServingStatus] = field(default_factory=dict)
    commits: Mapping[str, str] = field(default_factory=dict)
    requested: Mapping[str, str] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    holds: tuple[Hold, ...] = ()
