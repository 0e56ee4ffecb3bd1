"""Trees with many experiments, for tests of scale and of equality, and random valid experiments."""

import yaml
from hypothesis import strategies as st
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.rules.render import applied, drift

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
