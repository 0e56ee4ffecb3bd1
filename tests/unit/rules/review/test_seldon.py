import pytest
import yaml
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.rules.render.serving import serving_overlays
from ml_pipeline.rules.review.seldon import webhook_faults

from tests.conftest import FIXTURES

EXAMPLES = sorted((FIXTURES / "seldon").glob("*/*.yaml"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_example_gets_its_verdict(example):
    first = example.read_text().splitlines()[0]
    expected = [first.removeprefix("# message: ")] if example.parent.name == "rejected" else []
    assert webhook_faults(yaml.safe_load(example.read_text())) == expected


def test_every_rule_has_examples():
    assert sum(example.parent.name == "rejected" for example in EXAMPLES) >= 12
    assert sum(example.parent.name == "accepted" for example in EXAMPLES) >= 6


@pytest.mark.parametrize("baseline", [True, False])
def test_what_is_rendered_is_let_in(files, baseline):
    path = "environments/local/promotions/digits.yaml"
    if not baseline:
        files[path] = b"".join(
            line
            for line in files[path].splitlines(keepends=True)
            if not line.startswith(b"baseline")
        )
    raw = serving_overlays(load_snapshot(files))[
        "environments/local/serving/digits/promotion/seldondeployment.yaml"
    ]
    assert webhook_faults(yaml.safe_load(raw)) == []
