"""Rules that hold between documents; each yields every fault it finds."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.experiment import Experiment
from ml_pipeline.documents.faults import Fault, InvalidDocumentsError
from ml_pipeline.documents.fields import cpu_cores, memory_bytes, seconds
from ml_pipeline.documents.promotion import Promotion
from ml_pipeline.documents.receipts import DataVersion, Run, Verdict
from ml_pipeline.documents.snapshot import Files, Snapshot
from ml_pipeline.layout import SHORT, is_listed, rollouts_folder
from ml_pipeline.rules.identity.hashes import run_identity
from ml_pipeline.rules.money.prices import node_share, pool_for, run_cost
from ml_pipeline.rules.review.plain_files import plain_faults, special_faults
from ml_pipeline.rules.review.two_pens import rollout_faults
from ml_pipeline.rules.rollout.gates import failures

Faults = Iterator[Fault]


def checked(files: Files) -> Snapshot:
    """The snapshot of a tree in which every rule holds.

    Raises:
        InvalidDocumentsError: with every fault.
    """
    snapshot = Snapshot(files)
    check_all(snapshot)
    return snapshot


def check_all(snapshot: Snapshot, asked: Collection[str] | None = None) -> None:
    """Read every file of a snapshot and hold it against every rule; with `asked`, those files alone.

    Raises:
        InvalidDocumentsError: with every fault.
    """
    files = snapshot.files if asked is None else {path: snapshot.files[path] for path in asked}
    faults = list(special_faults(files))
    if faults:
        raise InvalidDocumentsError(faults)
    faults = list(plain_faults(files))
    try:
        snapshot.read_all(asked)
    except InvalidDocumentsError as error:
        raise InvalidDocumentsError([*faults, *error.faults]) from error
    faults += check(snapshot, asked)
    if faults:
        raise InvalidDocumentsError(faults)


def check(snapshot: Snapshot, paths: Iterable[str] | None = None) -> list[Fault]:
    """Every fault between the documents, sorted by place; with `paths`, every fault of those alone.

    Raises:
        InvalidDocumentsError: one that is read is not valid by itself.
    """
    asked = sorted(snapshot.files if paths is None else paths)
    faults = [fault for path in asked if is_listed(path) for fault in _document(snapshot, path)]
    return sorted(faults + list(rollout_faults(snapshot.files, asked)))


def _document(snapshot: Snapshot, path: str) -> Faults:
    document = snapshot.document(path)
    rules: dict[type, Callable[..., Faults]] = {
        Experiment: _experiment,
        Environment: _environment,
        Promotion: _promotion,
        Run: _run,
        DataVersion: _data,
        Verdict: _verdict,
    }
    rule = next(rule for kind, rule in rules.items() if isinstance(document, kind))
    return rule(snapshot, path, document)


def _name(snapshot: Snapshot, path: str, name: str) -> Faults:
    folder = path.split("/")[1]
    if name != folder:
        text = f"{name!r} differs from its folder {folder!r}; make them the same"
        yield snapshot.fault(path, "name", text)


def _experiment(snapshot: Snapshot, path: str, experiment: Experiment) -> Faults:
    yield from _name(snapshot, path, experiment.name)
    environment = snapshot.environments.get(experiment.environment)
    if environment is None:
        yield snapshot.fault(
            path,
            "environment",
            f"{experiment.environment!r} does not exist; {known(snapshot.environments)}",
        )
        return
    yield from _fits(snapshot, path, experiment, environment)
    yield from _options(snapshot, path, experiment, environment)
    longest = run_cost(experiment, environment, seconds(experiment.budget.max_duration))
    if longest and longest.amount > experiment.budget.max_cost:
        text = f"{experiment.budget.max_cost:g} does not pay for {experiment.budget.max_duration} ({longest.amount:.2f} {longest.currency})"
        yield snapshot.fault(path, "budget.max_cost", f"{text}; raise it or shorten max_duration")


def _fits(
    snapshot: Snapshot, path: str, experiment: Experiment, environment: Environment
) -> Faults:
    wanted, pools = experiment.resources, environment.pools
    if wanted.gpus and not any(pool.gpus for pool in pools):
        yield snapshot.fault(
            path,
            "resources.gpus",
            f"'{wanted.gpus}' asked, but no pool of {environment.name} has a GPU; choose another environment",
        )
        return
    largest = max(pools, key=lambda pool: memory_bytes(pool.memory)).memory
    if memory_bytes(wanted.memory) > memory_bytes(largest):
        yield snapshot.fault(
            path,
            "resources.memory",
            f"'{wanted.memory}' is above the largest node of {environment.name}, {largest}; ask for less",
        )
    cores = max(pools, key=lambda pool: cpu_cores(pool.cpu)).cpu
    if cpu_cores(wanted.cpu) > cpu_cores(cores):
        yield snapshot.fault(
            path,
            "resources.cpu",
            f"'{wanted.cpu}' is above the largest node of {environment.name}, {cores}; ask for less",
        )
    elif pool_for(experiment, environment) is None and memory_bytes(wanted.memory) <= memory_bytes(
        largest
    ):
        shares = ", ".join(f"{pool.name} {node_share(experiment, pool):.0%}" for pool in pools)
        yield snapshot.fault(
            path,
            "resources",
            f"fit no single pool of {environment.name} ({shares}); lower the largest",
        )


def _options(
    snapshot: Snapshot, path: str, experiment: Experiment, environment: Environment
) -> Faults:
    options = experiment.options
    if "spot" in options and not any(
        pool.spot_price_per_hour is not None for pool in environment.pools
    ):
        yield snapshot.fault(
            path,
            "options",
            f"'spot' is on, but no pool of {environment.name} has a spot price; remove it",
        )
    if "kueue" in options and environment.runtime == "kubernetes" and not environment.kueue:
        yield snapshot.fault(
            path,
            "options",
            f"'kueue' is on, but {environment.name} has no queue; set kueue: true in its environment.yaml",
        )
    if {"gpu-shared", "gpu-mig"} <= set(options):
        yield snapshot.fault(
            path, "options", "'gpu-shared' and 'gpu-mig' exclude each other; keep one"
        )
    if {"gpu-shared", "gpu-mig"} & set(options) and not experiment.resources.gpus:
        yield snapshot.fault(
            path, "options", "a GPU option is on, but resources.gpus is 0; ask for at least 1"
        )
    if ("distributed" in options) != (experiment.topology.workers > 1):
        yield snapshot.fault(
            path,
            "options" if options else "topology.workers",
            f"'distributed' goes with more than 1 worker, topology.workers is {experiment.topology.workers}; set both or none",
        )


def _reconciler(snapshot: Snapshot, path: str, environment: Environment) -> Faults:
    if environment.reconcile is None:
        return
    if environment.runtime == "embedded":
        yield snapshot.fault(
            path, "reconcile", "goes with a cluster; remove it, `up` commits what has happened here"
        )
    if environment.reconcile.image.digest is None:
        yield snapshot.fault(
            path, "reconcile.image.digest", "is missing; pin what `make image NAME=scripts` prints"
        )


def _runtime(snapshot: Snapshot, path: str, environment: Environment) -> Faults:
    """What a cluster needs, and what the embedded environment has no use for."""
    if environment.runtime == "kubernetes" and environment.images.trainer.digest is None:
        yield snapshot.fault(
            path, "images.trainer.digest", "is missing; outside the embedded runtime pin the image"
        )
    if environment.runtime == "kubernetes" and environment.source is None:
        yield snapshot.fault(
            path,
            "source",
            "is missing; outside the embedded runtime name the repository that Flux fetches",
        )
    if environment.runtime == "embedded" and environment.tracking.secret:
        yield snapshot.fault(
            path, "tracking.secret", "has no effect, the embedded MLflow has no login; take it out"
        )


def _environment(snapshot: Snapshot, path: str, environment: Environment) -> Faults:
    yield from _name(snapshot, path, environment.name)
    yield from _runtime(snapshot, path, environment)
    if environment.images.serving.digest is None:
        yield snapshot.fault(
            path,
            "images.serving.digest",
            "is missing; pin the image, `ml-pipeline image serving` prints the embedded one",
        )
    yield from _reconciler(snapshot, path, environment)
    names = [pool.name for pool in environment.pools]
    for name in sorted({n for n in names if names.count(n) > 1}):
        yield snapshot.fault(path, "pools", f"{name!r} stands twice; rename one")
    if environment.artifacts.claim and environment.artifacts.uri != "file:///artifacts":
        yield snapshot.fault(
            path,
            "artifacts.uri",
            f"{environment.artifacts.uri!r} is not where the claim is mounted; write file:///artifacts",
        )
    folder = path.split("/")[1]
    for origin in environment.promotes_from:
        if origin not in snapshot.environments:
            yield snapshot.fault(
                path, "promotes_from", f"{origin!r} does not exist; {known(snapshot.environments)}"
            )
        elif folder in _origins(snapshot, origin):
            yield snapshot.fault(
                path, "promotes_from", f"{origin!r} leads back to {folder!r}; leave one of them out"
            )


def _origins(snapshot: Snapshot, name: str) -> set[str]:
    """An environment and all that models come to it from, however far."""
    found, queue = {name}, [name]
    while queue:
        environment = snapshot.environments.get(queue.pop())
        new = set(environment.promotes_from if environment else ()) - found
        found, queue = found | new, [*queue, *new]
    return found


def _promotion(snapshot: Snapshot, path: str, promotion: Promotion) -> Faults:
    _, name, _, file = path.split("/")
    if promotion.model != file.removesuffix(".yaml"):
        yield snapshot.fault(
            path,
            "model",
            f"{promotion.model!r} differs from the file's name {file!r}; make them the same",
        )
    environment = snapshot.environments.get(name)
    if environment is None:
        yield Fault(
            path,
            1,
            "",
            f"promotes in the environment {name!r}, which does not exist; {known(snapshot.environments)}",
        )
        return
    for key in ("run", "baseline"):
        reference = getattr(promotion, key)
        if reference:
            yield from _promotable(snapshot, path, key, reference, environment)
    if promotion.baseline == promotion.run:
        yield snapshot.fault(
            path,
            "baseline",
            f"{promotion.run!r} is also the run; name what served before or remove it",
        )
    yield from _signature(snapshot, path, promotion)
    component = f"{rollouts_folder(name, promotion.model)}kustomization.yaml"
    if component not in snapshot.files:
        yield snapshot.fault(
            path,
            "model",
            f"{promotion.model!r} has no {component}; make the promotion with `ml-pipeline promote`",
        )


def _promotable(
    snapshot: Snapshot, path: str, key: str, reference: str, environment: Environment
) -> Faults:
    run = snapshot.runs_by_reference.get(reference)
    promotion = snapshot.document(path)
    assert isinstance(promotion, Promotion)
    if run is None:
        experiment, _, short = reference.partition("/")
        yield snapshot.fault(
            path,
            key,
            f"{reference!r} has no receipt experiments/{experiment}/runs/{short}.yaml; wait for the run or correct the id",
        )
        return
    if run.model != promotion.model:
        yield snapshot.fault(
            path,
            key,
            f"{reference!r} trained the model {run.model!r}, not {promotion.model!r}; name a run of this model",
        )
    if run.environment not in (environment.name, *environment.promotes_from):
        yield snapshot.fault(
            path,
            key,
            f"{reference!r} was trained in {run.environment!r}, from which {environment.name} takes none; see promotes_from",
        )
    if run.outcome == "failed":
        yield snapshot.fault(
            path, key, f"{reference!r} failed ({run.reason}); promote a run that succeeded"
        )
        return
    if run.artifact is None:
        yield snapshot.fault(
            path, key, f"{reference!r} has no model in its receipt; promote another run"
        )
    for failure in failures(run.gates):
        yield snapshot.fault(
            path,
            key,
            f"{reference!r} fails its gate, {failure}; train a better one or change the gate with the experiment",
        )


def _signature(snapshot: Snapshot, path: str, promotion: Promotion) -> Faults:
    """Callers of the baseline go on sending what it takes; where a receipt does not say, nothing is refused."""
    run = snapshot.runs_by_reference.get(promotion.run)
    baseline = snapshot.runs_by_reference.get(promotion.baseline or "")
    if promotion.accept_signature_change or run is None or baseline is None:
        return
    if run.signature is None or baseline.signature is None or run.signature == baseline.signature:
        return
    changes = "; ".join(
        f"{verb} {new}, its baseline {old}"
        for verb, new, old in (
            ("takes", run.signature.inputs, baseline.signature.inputs),
            ("gives", run.signature.outputs, baseline.signature.outputs),
        )
        if new != old
    )
    yield snapshot.fault(
        path,
        "run",
        f"{promotion.run!r} {changes}; promote it with --accept-signature-change if its callers know",
    )


def _run(snapshot: Snapshot, path: str, run: Run) -> Faults:
    yield from _named_by_identity(snapshot, path, run.id, run.identity)
    if run_identity(run.decided_by) != run.identity:
        yield snapshot.fault(
            path,
            "identity",
            f"'{run.identity[:SHORT]}...' is not the hash of decided_by; a receipt is never edited, restore it from git",
        )


def _data(snapshot: Snapshot, path: str, data: DataVersion) -> Faults:
    yield from _named_by_identity(snapshot, path, data.id, data.identity)


def _verdict(snapshot: Snapshot, path: str, verdict: Verdict) -> Faults:
    if verdict.id != path.split("/")[-1].removesuffix(".yaml"):
        yield snapshot.fault(
            path,
            "id",
            f"{verdict.id!r} differs from the file's name; a verdict is never edited, restore it from git",
        )


def _named_by_identity(snapshot: Snapshot, path: str, short: str, identity: str) -> Faults:
    file = path.split("/")[-1].removesuffix(".yaml")
    if not short == file == identity[:SHORT]:
        yield snapshot.fault(
            path,
            "id",
            f"{short!r} must be the file's name and begin the identity; a receipt is never edited, restore it from git",
        )


def known(environments: Mapping[str, Environment]) -> str:
    """The repair of an environment's name: those that are there."""
    return (
        f"known are {', '.join(sorted(environments))}"
        if environments
        else "there are none yet, add environments/<env>/environment.yaml"
    )
