import json

import pytest
from ml_pipeline.adapters.git.history import Commit
from ml_pipeline.commands.command import Options
from ml_pipeline.commands.parser import parsed
from ml_pipeline.commands.why import COMMAND
from ml_pipeline.operations.provenance import Chain

GOOD = "good/31a4e76e1a"
URL = "http://127.0.0.1:8080/digits"


@pytest.fixture
def chain(snapshot):
    """A chain of the run that serves, with what a test changes of it."""
    run = snapshot.runs_by_reference[GOOD]
    (data,) = snapshot.data.values()

    def made(**changed) -> Chain:
        whole = {
            "endpoint": URL,
            "predictor": "run-31a4e76e1a",
            "weight": 90,
            "promotion": Commit(sha="a" * 40, author="Ada", when="2026-01-02", subject="Promote"),
            "run": run,
            "artifact": run.artifact,
            "reference": GOOD,
            "receipt": "experiments/good/runs/31a4e76e1a.yaml",
            "recorded": "b" * 40,
            "experiment": "experiments/good/experiment.yaml",
            "data": data,
        }
        return Chain(**{**whole, **changed})

    return made


@pytest.fixture
def told(monkeypatch, capsys):
    def print_of(*chains: Chain, output="text") -> str:
        monkeypatch.setattr("ml_pipeline.operations.provenance.why", lambda *_, **__: chains)
        options = Options(repo=".", model="digits", env="local", output=output)
        assert COMMAND.run(options) == 0
        return capsys.readouterr().out

    return print_of


def rows(text: str) -> dict[str, str]:
    return dict(line.split(maxsplit=1) for line in text.splitlines() if line)


def test_chain_leads_from_the_endpoint_to_the_image(chain, told):
    assert list(rows(told(chain()))) == [
        "endpoint",
        "predictor",
        "promotion",
        "model",
        "run",
        "receipt",
        "experiment",
        "data",
        "image",
    ]


def test_commits_are_short_for_people_and_whole_for_programs(chain, told):
    table = rows(told(chain()))
    assert table["promotion"] == "aaaaaaaaaa by Ada, 2026-01-02: Promote"
    assert table["receipt"].endswith(", recorded in bbbbbbbbbb")
    assert table["experiment"].endswith(" at dddddddddd")
    (data,) = json.loads(told(chain(), output="json"))
    assert data["promotion"]["commit"] == "a" * 40
    assert data["receipt"]["commit"] == "b" * 40


def test_each_predictor_has_a_table_of_its_own(chain, told):
    one, two = told(chain(), chain(predictor="run-c39d9a14b0", weight=10)).split("\n\n")
    assert rows(one)["predictor"] == "run-31a4e76e1a with 90 % of the traffic"
    assert rows(two)["predictor"] == "run-c39d9a14b0 with 10 % of the traffic"


def test_what_is_not_there_any_more_is_said(chain, told, snapshot):
    untracked = snapshot.runs_by_reference[GOOD].model_copy(update={"tracking": None})
    gone = chain(endpoint=None, data=None, run=untracked)
    table = rows(told(gone))
    assert table["endpoint"] == "not running"
    assert table["data"] == f"sha256 {'c' * 64}, its receipt is gone"
    assert table["run"] == f"{GOOD}, MLflow run unknown"
    (data,) = json.loads(told(gone, output="json"))
    assert (data["endpoint"], data["run"]["tracking"]) == (None, None)
    assert data["data"] == {"sha256": "c" * 64, "rows": None, "source": None}


def test_data_is_told_with_its_rows_and_its_source(chain, told):
    assert rows(told(chain()))["data"].endswith(", 1797 rows of bundled://digits")
    (data,) = json.loads(told(chain(), output="json"))
    assert (data["data"]["rows"], data["data"]["source"]) == (1797, "bundled://digits")


def test_what_is_typed_is_handed_on(monkeypatch, capsys):
    heard = []
    answer = lambda _, model, **how: heard.append((model, how)) or []  # noqa: E731
    monkeypatch.setattr("ml_pipeline.operations.provenance.why", answer)
    COMMAND.run(parsed(["why", "digits"]))
    COMMAND.run(parsed(["why", "digits", "--env", "staging", "--output", "json"]))
    assert heard == [("digits", {"environment": name}) for name in ("local", "staging")]
