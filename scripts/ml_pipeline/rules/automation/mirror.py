"""What MLflow's registry and the pages of its runs shall say, from git alone.

Written after the merge, never read to decide anything, so that a lost registry is written again
from receipts and promotions.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.receipts import Run
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.layout import experiment_path, run_path
from ml_pipeline.rules.identity.served import serving_of, stable_run
from ml_pipeline.rules.render.platform import model_uri

# MLflow's own names: the text on top of a run's page, and the commit that its table of runs shows.
NOTE, GIT_COMMIT = "mlflow.note.content", "mlflow.source.git.commit"
_LOGGED_MODEL = re.compile(r"/(m-[0-9a-f]+)/artifacts\Z")
Tags = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class RunNote:
    """What is to be known of one run.

    `run_id` is empty where the receipt does not know it; `reason` says why it failed.
    """

    identity: str
    run_id: str
    tags: Tags
    reason: str = ""


@dataclass(frozen=True)
class Version:
    """A run that was promoted, as a version of its model; `run` is its reference, experiment/id.

    `run_id` and `model_id` are empty where another MLflow holds them; then the version points to
    where the bytes are served from.
    """

    model: str
    run: str
    served_from: str
    run_id: str
    model_id: str
    logged_at: str
    description: str
    tags: Tags


@dataclass(frozen=True)
class Alias:
    """A name for the version of a run."""

    model: str
    name: str
    run: str


@dataclass(frozen=True)
class Mirror:
    """All that the MLflow of one environment shall say of it.

    `names` are the aliases that are this environment's own.
    """

    notes: tuple[RunNote, ...]
    versions: tuple[Version, ...]
    aliases: tuple[Alias, ...]
    names: tuple[str, ...]


def mirror(snapshot: Snapshot, environment: str) -> Mirror:
    """What follows from the receipts, promotions and verdicts of a revision."""
    here = snapshot.environments[environment]
    aliases = sorted(_aliases(snapshot, environment), key=lambda a: (a.model, a.name))
    runs = [run for run in snapshot.runs.values() if run.environment == environment]
    notes = [_note(snapshot, here, run) for run in runs]
    promoted = _promoted(snapshot, environment)
    promoted.update(alias.run for alias in aliases)
    return Mirror(
        tuple(sorted(notes, key=lambda note: note.identity)),
        tuple(_versions(snapshot, here, promoted)),
        tuple(aliases),
        (environment, candidate_of(environment)),
    )


def candidate_of(environment: str) -> str:
    """Alias of the run that a rollout gives a part of the traffic."""
    return f"{environment}-candidate"


def _aliases(snapshot: Snapshot, environment: str) -> Iterator[Alias]:
    """The environment's name for the run that holds the traffic, another one for a candidate beside
    it."""
    for name, model in snapshot.promotions:
        serving = serving_of(snapshot, name, model) if name == environment else None
        if serving is None:
            continue
        stable = stable_run(serving)
        yield Alias(model, environment, stable)
        for run in serving.weights:
            if run != stable:
                yield Alias(model, candidate_of(environment), run)


def _promoted(snapshot: Snapshot, environment: str) -> set[str]:
    """References of every run that a promotion or a verdict on the branch names."""
    found: set[str] = set()
    for (name, _), promotion in snapshot.promotions.items():
        if name == environment:
            found |= {promotion.run, promotion.baseline or promotion.run}
    for (name, _), verdict in snapshot.verdicts.items():
        if name == environment:
            found |= {verdict.run, *(row.run for row in verdict.evidence)}
    return found


def _note(snapshot: Snapshot, environment: Environment, run: Run) -> RunNote:
    run_id = run.tracking.run_id if run.tracking else ""
    tags = {**_tags(snapshot, run), NOTE: _description(environment, run), GIT_COMMIT: run.commit}
    reason = (run.reason or "") if run.outcome == "failed" else ""
    return RunNote(run.identity, run_id, tuple(sorted(tags.items())), reason)


def _versions(
    snapshot: Snapshot, environment: Environment, promoted: Iterable[str]
) -> list[Version]:
    """Versions of the runs of these references that have left a model."""
    runs = []
    for reference in promoted:
        run = snapshot.runs_by_reference.get(reference)
        if run and run.artifact:
            runs.append(run)
    # MLflow numbers versions as they come: the oldest run is to be the first.
    runs.sort(key=lambda run: (run.started or "", run.id))
    return [_version(snapshot, environment, run) for run in runs]


def _version(snapshot: Snapshot, environment: Environment, run: Run) -> Version:
    assert run.artifact is not None
    uri, run_id, model_id = run.artifact.uri, "", ""
    if run.environment == environment.name and run.tracking:
        run_id = run.tracking.run_id
        logged = _LOGGED_MODEL.search(uri)
        model_id = logged[1] if logged else ""
    tags = {**_tags(snapshot, run), "run": run.reference, "sha256": run.artifact.sha256}
    return Version(
        run.model,
        run.reference,
        model_uri(snapshot.environments[run.environment], uri),
        run_id,
        model_id,
        f"mlflow-artifacts:/{uri.removeprefix('mlflow/')}",
        _description(environment, run),
        tuple(sorted(tags.items())),
    )


def _tags(snapshot: Snapshot, run: Run) -> dict[str, str]:
    tags = {"environment": run.environment, "commit": run.commit, "receipt": _receipt(run)}
    experiment = snapshot.experiments.get(run.experiment)
    if experiment:
        tags |= {
            "owner": experiment.owner,
            "cost_centre": experiment.cost_centre,
            "dataset": experiment.dataset.uri,
        }
    return tags


def _description(environment: Environment, run: Run) -> str:
    """Markdown with the way back to git; links where the repository has an address that a browser
    opens."""
    experiment, receipt = experiment_path(run.experiment), _receipt(run)
    links = [f"`{experiment}`", f"`{receipt}`", f"`{run.commit}`"]
    url = environment.source.url if environment.source else ""
    if url.startswith("https://"):
        web = url.removesuffix(".git")
        links = [
            f"[{experiment}]({web}/blob/{environment.branch}/{experiment})",
            f"[{receipt}]({web}/blob/{environment.branch}/{receipt})",
            f"[{run.commit[:10]}]({web}/commit/{run.commit})",
        ]
    lines = [
        f"- {what}: {link}"
        for what, link in zip(("Experiment", "Receipt", "Commit"), links, strict=True)
    ]
    if run.reason:
        lines.append(f"- Failed: {run.reason}")
    return "\n".join(lines)


def _receipt(run: Run) -> str:
    return run_path(run.experiment, run.id)
