"""Two settled runs without training them, and a promotion of one over the other: the documents of tests/fixtures/valid."""

from ml_pipeline.documents.fields import API_VERSION
from ml_pipeline.documents.receipts import DataVersion
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.documents.writer import to_document
from ml_pipeline.layout import SHORT
from ml_pipeline.rules.identity.hashes import data_identity

from tests.cluster.team import Team
from tests.conftest import FIXTURES, folder

OLD, NEW = "good/31a4e76e1a", "better/c39d9a14b0"
OLD_PREDICTOR, NEW_PREDICTOR = "run-31a4e76e1a", "run-c39d9a14b0"


def settle(team: Team) -> None:
    """Commit the experiments `good` and `better` with their receipts, and the empty rollout of their model."""
    for name in ("good", "better"):
        for path in (FIXTURES / "valid/experiments" / name).rglob("*.yaml"):
            target = team.clone / path.relative_to(FIXTURES / "valid")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(
                path.read_text().replace("environment: local", f"environment: {team.name}")
            )
    rollouts = team.clone / f"environments/{team.name}/rollouts/digits/kustomization.yaml"
    rollouts.parent.mkdir(parents=True)
    rollouts.write_bytes(
        (FIXTURES / "valid/environments/local/rollouts/digits/kustomization.yaml").read_bytes()
    )
    team.commit("Settle two runs")


def promotion(team: Team, run: str, baseline: str | None = None) -> None:
    """Write a promotion and what is rendered from it; nothing is committed."""
    path = team.clone / f"environments/{team.name}/promotions/digits.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    replaced = f"baseline: {baseline}\n" if baseline else ""
    path.write_text(
        f"apiVersion: ml-pipeline/v1\nkind: Promotion\nmodel: digits\nrun: {run}\n{replaced}"
    )
    team.pipeline("render")


def prepared_data(team: Team, name: str) -> None:
    """Write the receipt by which the data of an experiment in the clone counts as prepared."""
    experiment = load_snapshot(folder(team.clone, "experiments")).experiments[name]
    identity = data_identity(experiment)
    known = {"uri": "data/x.npz", "sha256": "a" * 64, "bytes": 1}
    head = {
        "apiVersion": API_VERSION,
        "kind": "DataVersion",
        "id": identity[:SHORT],
        "identity": identity,
        "environment": team.name,
    }
    body = {**head, "source": experiment.dataset.uri, "image": experiment.image, "data": known}
    path = f"experiments/{name}/data/{identity[:SHORT]}.yaml"
    (team.clone / path).parent.mkdir(parents=True, exist_ok=True)
    (team.clone / path).write_bytes(
        to_document(path, DataVersion.model_validate(body, strict=False))
    )
