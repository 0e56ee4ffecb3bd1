"""What MLflow's registry and the pages of its runs shall say, from git alone: written after the merge, never read to
decide anything, so that a lost registry is written again from receipts and promotions."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.receipts import Run
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.identity.served import serving_of, stable_run
from ml_pipeline.rules.render.platform import model_uri

# MLflow's own names: the text on top of a run's page, and the commit that its table of runs shows.
NOTE, GIT_COMMIT = "mlflow.note.content", "mlflow.source.git.commit"
_LOGGED_MODEL = re.compile(r"/(m-[0-9a-f]+)/artifacts\Z")
Tags = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class RunNote:
    """What is to be known of one run. `run_id` is empty where the receipt does not know it; `reason` says why it failed."""

    identity: str
    run_id: str
    tags: Tags
    reason: str = ""


@dataclass(frozen=True)
class Version:
    """A run that was promoted, as a version of its model; `run` is its reference, experiment/id. `run_id` and `model_id`
    are empty where another MLflow holds them; then the version points to where the bytes are served from."""

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
    """All that the MLflow of one environment shall say of it. `names` are the aliases that are this environment's own."""

    notes: tuple[RunNote, ...]
    versions: tuple[Version, ...]
    aliases: tuple[Alias, ...]
    names: tuple[str, ...]


def mirror(snapshot: Snapshot, environment: str) -> Mirror:
    """What follows from the receipts, promotions and verdicts of a revision."""
    mine = snapshot.environments[environment]
    runs = [run for run in snapshot.runs.values() if run.environment == environment]
    aliases = tuple(sorted(_aliases(snapshot, environment), key=lambda a: (a.model, a.name)))
    promoted = _promoted(snapshot, environment) | {alias.run for alias in aliases}
    receipts = [run for ref in promoted if (run := snapshot.runs_by_reference.get(ref))]
    versions = [
        _version(snapshot, mine, run)
        for run in sorted(receipts, key=lambda run: (run.started or "", run.id))
        if run.artifact
    ]
    return Mirror(
        tuple(sorted((_note(snapshot, mine, run) for run in runs), key=lambda n: n.identity)),
        tuple(versions),
        aliases,
        (environment, candidate_of(environment)),
    )


def candidate_of(environment: str) -> str:
    """Alias of the run that a rollout gives a part of the traffic."""
    return f"{environment}-candidate"


def _aliases(snapshot: Snapshot, environment: str) -> Iterator[Alias]:
    """The environment's name for the run that holds the traffic, another one for a candidate beside it."""
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
    reason = run.reason or "" if run.outcome == "failed" else ""
    return RunNote(run.identity, run_id, tuple(sorted(tags.items())), reason)


def _version(snapshot: Snapshot, environment: Environment, run: Run) -> Version:
    assert run.artifact is not None
    uri, run_id, model_id = run.artifact.uri, "", ""
    if run.environment == environment.name and run.tracking:
        logged = _LOGGED_MODEL.search(uri)
        run_id, model_id = run.tracking.run_id, logged[1] if logged else ""
    tags = {**_tags(snapshot, run), "run": _reference(run), "sha256": run.artifact.sha256}
    return Version(
        run.model,
        _reference(run),
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
    """Markdown with the way back to git; links where the repository has an address that a browser opens."""
    experiment = f"experiments/{run.experiment}/experiment.yaml"
    places = {"Experiment": experiment, "Receipt": _receipt(run)}
    url = environment.source.url if environment.source else ""
    commit, paths = f"`{run.commit}`", {what: f"`{path}`" for what, path in places.items()}
    if url.startswith("https://"):
        web = url.removesuffix(".git")
        commit = f"[{run.commit[:10]}]({web}/commit/{run.commit})"
        paths = {
            what: f"[{path}]({web}/blob/{environment.branch}/{path})"
            for what, path in places.items()
        }
    lines = [f"- {what}: {text}" for what, text in {**paths, "Commit": commit}.items()]
    if run.reason:
        lines.append(f"- Failed: {run.reason}")
    return "\n".join(lines)


def _receipt(run: Run) -> str:
    return f"experiments/{run.experiment}/runs/{run.id}.yaml"


def _reference(run: Run) -> str:
    return f"{run.experiment}/{run.id}"
