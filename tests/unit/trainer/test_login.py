"""MLflow behind a login: the real server with its basic-auth app, the right password and a wrong one."""

import subprocess
import sys

import pytest
from ml_pipeline.adapters.mlflow.registry import Registry
from ml_pipeline.adapters.mlflow.server import Login
from ml_pipeline.adapters.mlflow.tracking import Tracking
from ml_pipeline.documents.results import TerminationMessage
from ml_pipeline.rules.automation.mirror import Mirror

from tests.conftest import REPOSITORY
from tests.support.mlflow_server import mlflow_server
from tests.unit.trainer.conftest import finish, start, word_of

pytestmark = pytest.mark.slow
PREPARE = ("prepare", "--source=bundled://iris")
RIGHT, WRONG = "a-password-of-16", "another-password"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A server that lets nobody in without a password."""
    folder = tmp_path_factory.mktemp("guarded")
    config = folder / "auth.ini"
    config.write_text(
        f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{folder}/auth.db\n"
        f"admin_username = ada\nadmin_password = {RIGHT}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    secrets = {"MLFLOW_AUTH_CONFIG_PATH": str(config), "MLFLOW_FLASK_SERVER_SECRET_KEY": "x" * 32}
    with mlflow_server(folder, "--app-name", "basic-auth", **secrets) as uri:
        yield uri


@pytest.fixture
def around(around, guarded):
    return {**around, "MLFLOW_TRACKING_URI": guarded, "MLFLOW_TRACKING_USERNAME": "ada"}


def log_in(monkeypatch, password: str) -> Login:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ada")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
    return Login.of("environments/staging/environment.yaml", "mlflow-login")


def test_run_is_left_and_read_behind_a_login(around, guarded, monkeypatch):
    code, log = finish(start({**around, "MLFLOW_TRACKING_PASSWORD": RIGHT}, *PREPARE))
    assert code == 0, log
    words = {around["IDENTITY"]: word_of(around)}
    look = Tracking(guarded, log_in(monkeypatch, RIGHT)).look(words)
    assert look.results[around["IDENTITY"]].is_as_said
    code, log = finish(start({**around, "MLFLOW_TRACKING_PASSWORD": RIGHT}, *PREPARE))
    assert (code, "already" in log, word_of(around)) == (0, True, words[around["IDENTITY"]])


def test_wrong_password_holds_every_result_and_names_the_secret(guarded, monkeypatch):
    words = {
        "a" * 64: TerminationMessage(
            identity="a" * 64, mlflow_run="1" * 32, receipt_sha256="b" * 64
        )
    }
    look = Tracking(guarded, log_in(monkeypatch, WRONG)).look(words)
    (hold,) = look.held
    assert (look.results, look.refused) == ({}, {})
    assert "refuses the login (401)" in hold.reason
    assert "Secret mlflow-login, tracking.secret of environments/staging" in hold.reason


def test_registry_follows_behind_a_login(guarded, monkeypatch):
    nothing = Mirror((), (), (), ())
    assert Registry(guarded, log_in(monkeypatch, RIGHT)).bring(nothing) == []


@pytest.mark.parametrize("password", [WRONG, None])
def test_trainer_that_is_not_let_in_waits_and_fails_nothing(around, password):
    """Exit code 143 is no failure of the Job, and the next pod reads the Secret anew."""
    secret = {"MLFLOW_TRACKING_PASSWORD": password} if password else {}
    hasty = "import trainer.tracking as t; t.wait_for.__defaults__ = (0.0,); import sys; from trainer.__main__ import main; sys.exit(main(sys.argv[1:]))"
    ended = subprocess.run([sys.executable, "-c", hasty, *PREPARE], cwd=REPOSITORY, env=around | secret, capture_output=True, text=True)  # fmt: skip
    assert ended.returncode == 143
    assert "refuses the login (401); correct the Secret that tracking.secret" in ended.stderr
    assert word_of(around) is None
