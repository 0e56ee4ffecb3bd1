import pytest
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.verbs.demo import Demo

from tests.conftest import git


@pytest.fixture
def demo(tmp_path) -> Demo:
    return Demo(tmp_path / "team")


def test_steps_are_timed_and_keep_their_result(demo, capsys):
    with demo.step("do something") as result:
        result.append("done")
    assert demo.timeline[0][1:] == ("do something", "done")
    assert "do something ..." in capsys.readouterr().err


def test_waiting_in_vain_names_where_to_look(demo):
    with pytest.raises(PipelineError, match=r"waited 0 s for rain; see .*supervisor.log"):
        demo.wait("rain", lambda: False, seconds=0)


def test_receipts_are_read_from_the_branch(demo, team):
    demo.clone.parent.mkdir(exist_ok=True)
    git(team, "clone", "--quiet", "--bare", str(team), str(demo.state.origin))
    assert len(demo.receipts("/runs/")) == 4
