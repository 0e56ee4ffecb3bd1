"""Trees with many experiments, for tests of scale and of equality, and random valid experiments."""

import yaml
from hypothesis import strategies as st
from ml_pipeline.documents.changes import applied
from ml_pipeline.documents.experiment import BUNDLED
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.layout import SHORT
from ml_pipeline.rules.identity.hashes import data_identity, digest_of
from ml_pipeline.rules.render.drift import drift

from tests.conftest import FIXTURES, REPOSITORY, folder

WAITING = "experiments/waiting/experiment.yaml"
IMAGE = f"sha256:{'a' * 64}"
# Words that one YAML reader takes for text and another for a number, a truth value or nothing.
TRICKY = (
    "on",
    "off",
    "yes",
    "no",
    "y",
    "n",
    "null",
    "true",
    "1e3",
    "0x1f",
    "012",
    "1-2",
    "2026-01-01",
    "0o7",
    "12",
    "e5",
)
ROOMY = {
    "pools": [
        {
            "name": "big",
            "nodes": 9,
            "cpu": 96,
            "memory": "1100Gi",
            "gpus": 64,
            "price_per_hour": 9,
            "spot_price_per_hour": 3,
        }
    ]
}


def valid_tree() -> dict[str, bytes]:
    """The fixtures' tree with the repository's base."""
    return folder(FIXTURES / "valid") | folder(REPOSITORY, "base")


def rendered(files) -> dict[str, bytes]:
    """The tree with every rendered file current."""
    return applied(files, drift(load_snapshot(files)))


def many(count: int) -> dict[str, bytes]:
    """A rendered tree with that many experiments that wait for their run, each with its overlay."""
    files = valid_tree()
    text = files[WAITING].decode()
    for number in range(count):
        name = f"e{number:05d}"
        files[f"experiments/{name}/experiment.yaml"] = (
            text.replace("name: waiting", f"name: {name}")
            .replace("seed: 7", f"seed: {number + 100}")
            .encode()
        )
    return rendered(files)


def varied(count: int) -> dict[str, bytes]:
    """A rendered tree with that many experiments that are not alike: four data sets, all prepared, two environments, GPUs, spot
    nodes, several workers; each waits for its run."""
    files = valid_tree()
    for place in ("local", "staging"):
        path = f"environments/{place}/environment.yaml"
        facts = yaml.safe_load(files[path])
        pools = [{**pool, "nodes": 9, "spot_price_per_hour": 3} for pool in ROOMY["pools"]]
        files[path] = yaml.safe_dump(facts | {"pools": [*facts["pools"], *pools]}).encode()
    for number in range(count):
        name = f"v{number:05d}"
        document = {"name": name, **_one_of_many(number)}
        files[f"experiments/{name}/experiment.yaml"] = yaml.safe_dump(document).encode()
    return rendered(files | _prepared(files))


def _one_of_many(number: int) -> dict:
    """An experiment by its number: each fact changes at its own pace."""
    gpus, workers = (0, 0, 1, 4)[number % 4], (1, 1, 1, 2, 4)[number % 5]
    options = ["spot"] if number % 3 == 0 else []
    options += ["distributed"] if workers > 1 else []
    options += ["gpu-shared"] if gpus == 1 and number % 7 == 0 else []
    return {
        "apiVersion": "ml-pipeline/v1",
        "kind": "Experiment",
        "owner": ("vision", "speech", "ranking")[number % 3],
        "environment": ("local", "staging")[number % 2],
        "model": {"name": f"model-{number % 11}", "type": ("mlp", "cnn", "resnet18")[number % 3]},
        "dataset": {"uri": f"bundled://{BUNDLED[number // 2 % 4]}"},
        "image": IMAGE,
        "parameters": {
            "epochs": 5 + number % 50,
            "batch_size": 2 ** (4 + number % 6),
            "learning_rate": round(0.0001 * (1 + number % 97), 6),
            "hidden": 16 * (1 + number % 13),
        },
        "seed": number,
        "topology": {"workers": workers},
        "resources": {"cpu": 1 + number % 6, "memory": f"{1 + number % 9}Gi", "gpus": gpus},
        "options": options,
        "budget": {"max_duration": f"{10 + number % 50}m", "max_cost": 10_000},
    }


def _prepared(files) -> dict[str, bytes]:
    """A receipt of the data of every experiment that has none."""
    snapshot = load_snapshot(files)
    like = yaml.safe_load(next(raw for path, raw in files.items() if "/data/" in path))
    found = {}
    for name, experiment in snapshot.experiments.items():
        identity = data_identity(experiment)
        if identity in found or identity in snapshot.data:
            continue
        own = {
            "id": identity[:SHORT],
            "identity": identity,
            "environment": experiment.environment,
            "source": experiment.dataset.uri,
            "data": {**like["data"], "sha256": digest_of(identity)},
        }
        path = f"experiments/{name}/data/{identity[:SHORT]}.yaml"
        found[identity] = path, yaml.safe_dump(like | own, sort_keys=False).encode()
    return dict(found.values())


def roomy_tree(**facts) -> dict[str, bytes]:
    """A tree whose environment `local` can run anything."""
    files = valid_tree()
    path = "environments/local/environment.yaml"
    files[path] = yaml.safe_dump(yaml.safe_load(files[path]) | ROOMY | facts).encode()
    return files


words = st.sampled_from(TRICKY) | st.from_regex(
    r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True
)


@st.composite
def experiments(draw) -> dict:
    """A valid experiment for `roomy_tree`, without its name."""
    workers, gpus = draw(st.sampled_from([1, 1, 2, 5])), draw(st.integers(0, 3))
    sharing = draw(st.sampled_from([[], ["gpu-shared"], ["gpu-mig"]])) if gpus else []
    more = draw(st.lists(st.sampled_from(["spot", "kueue"]), unique=True))
    memory = f"{draw(st.integers(1, 900))}{draw(st.sampled_from(['Mi', 'Gi']))}"
    return {
        "apiVersion": "ml-pipeline/v1",
        "kind": "Experiment",
        "owner": draw(words),
        "cost_centre": draw(words),
        "environment": "local",
        "model": {"name": draw(words), "type": draw(st.sampled_from(["mlp", "cnn", "resnet18"]))},
        "dataset": {"uri": f"bundled://{draw(st.sampled_from(['digits', 'digits', 'wine']))}"},
        "image": IMAGE,
        "parameters": {
            "epochs": draw(st.integers(1, 10_000)),
            "batch_size": draw(st.integers(1, 65_536)),
            "learning_rate": round(draw(st.floats(0.001, 10)), 6),
            "dropout": round(draw(st.floats(0, 0.99)), 6),
            "precision": draw(st.sampled_from(["float32", "bfloat16"])),
            "compile": draw(st.booleans()),
        },
        "seed": draw(st.integers(0, 2**31 - 1)),
        "topology": {"workers": workers},
        "resources": {
            "cpu": draw(st.sampled_from(["1", "2", "500m", "12"])),
            "memory": memory,
            "gpus": gpus,
        },
        "options": draw(
            st.permutations([*sharing, *more, *(["distributed"] if workers > 1 else [])])
        ),
        "budget": {
            "max_duration": draw(st.sampled_from(["90s", "30m", "12h", "2d"])),
            "max_cost": 10_000,
        },
    }


def with_experiments(files, documents) -> dict[str, bytes]:
    """The tree with these experiments added, rendered."""
    for number, document in enumerate(documents):
        name = f"e{number}"
        files = files | {
            f"experiments/{name}/experiment.yaml": yaml.safe_dump(
                {"name": name, **document}
            ).encode()
        }
    return rendered(files)
