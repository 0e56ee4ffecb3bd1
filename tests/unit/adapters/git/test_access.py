import os
import socket
import subprocess

import pytest
from ml_pipeline.adapters.git.access import GitAccess, explained
from ml_pipeline.adapters.git.repository import Repository, open_clone
from ml_pipeline.documents.faults import PipelineError

from tests.conftest import git
from tests.support.api_server import JsonHandler, started


@pytest.fixture
def secret(tmp_path):
    folder = tmp_path / "secret"
    folder.mkdir()
    return folder


def trouble(repository: Repository) -> str:
    with pytest.raises(PipelineError) as error:
        repository.fetch()
    return str(error.value)


def test_without_key_and_token_the_secret_is_named(secret):
    with pytest.raises(PipelineError, match=r"neither `identity`.*nor `password`.*make it"):
        GitAccess(secret).variables()


def test_no_host_is_trusted_without_its_key(secret):
    (secret / "identity").write_text("key")
    with pytest.raises(PipelineError, match=r"known_hosts: is not there.*add the host key"):
        GitAccess(secret).variables()


def test_key_is_the_only_one_and_hosts_are_those_of_the_secret(secret):
    for name in ("identity", "known_hosts"):
        (secret / name).write_text("key")
    command = GitAccess(secret).variables()["GIT_SSH_COMMAND"].replace("ssh ", "ssh -G ", 1)
    settings = subprocess.run(
        [*command.split(), "git.example.com"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert f"userknownhostsfile {secret}/known_hosts" in settings
    assert {"stricthostkeychecking true", "batchmode yes", "identitiesonly yes"} <= set(settings)
    assert [s for s in settings if s.startswith("identityfile")] == [
        f"identityfile {secret}/identity"
    ]


def test_token_that_was_renewed_counts_at_once(secret):
    access = GitAccess(secret)

    def filled() -> list[str]:
        return subprocess.run(
            ["git", "credential", "fill"],
            input="protocol=https\nhost=git.example.com\n\n",
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()

    (secret / "password").write_text("first")
    variables = access.variables()
    assert filled()[2:] == ["username=git", "password=first"]
    (secret / "password").write_text("second")
    (secret / "username").write_text("bot\n")
    assert filled()[2:] == ["username=bot", "password=second"]


def test_server_that_refuses_the_token_is_told_with_the_repair(secret, tmp_path):
    class Refuses(JsonHandler):
        def do_GET(self):
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()

    (secret / "password").write_text("expired")
    server = started(Refuses)
    url = f"http://127.0.0.1:{server.server_address[1]}/team.git"
    repository = open_clone(tmp_path / "clone", url, "main", GitAccess(secret))
    assert "does not take the token (expired" in trouble(repository)
    server.shutdown()


def test_server_that_never_answers_is_given_up(secret, tmp_path):
    """It takes the connection and says nothing: without a limit git waits for ever."""
    (secret / "password").write_text("token")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/team.git"
        access = GitAccess(secret, seconds=0.5)
        assert "does not answer" in trouble(open_clone(tmp_path / "clone", url, "main", access))


def test_server_that_is_not_there_is_told(secret, tmp_path):
    (secret / "password").write_text("token")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/team.git"
    access = GitAccess(secret)
    assert "does not answer" in trouble(open_clone(tmp_path / "clone", url, "main", access))


@pytest.mark.parametrize(
    ("said", "repair"),
    [
        ("Host key verification failed.\nfatal: Could not read from remote", "correct known_hosts"),
        ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @", "correct known_hosts"),
        ("git@h: Permission denied (publickey).\nfatal: Could not read", "deploy key with write"),
        ('Load key "/c/identity": error in libcrypto', "renew the Secret"),
        ("remote: Write access to repository not granted.\nreturned error: 403", "renew it in"),
        ("ssh: Could not resolve hostname h: Name or service not known", "NetworkPolicy"),
        ("ERROR: Repository not found.\nfatal: Could not read from remote", "source.url"),
    ],
)
def test_what_git_and_ssh_say_has_a_repair(said, repair):
    assert repair in explained(said)


def test_what_nobody_knows_stays_as_git_says_it(secret, tmp_path):
    (secret / "password").write_text("token")
    git(tmp_path, "init", "--quiet", "--bare", "empty.git")
    repository = open_clone(
        tmp_path / "clone", str(tmp_path / "empty.git"), "main", GitAccess(secret)
    )
    assert trouble(repository) == "git fetch: couldn't find remote ref refs/heads/main"


def test_clone_that_a_killed_process_left_is_taken_up(team, secret, tmp_path):
    (secret / "password").write_text("token")
    url, access = str(tmp_path / "origin.git"), GitAccess(secret)
    first = open_clone(tmp_path / "mine", url, "main", access).fetch()
    lock = tmp_path / "mine/config.lock"
    lock.touch()
    os.utime(lock, (0, 0))
    again = open_clone(tmp_path / "mine", url, "main", access)
    assert again.fetch() == first == git(team, "rev-parse", "HEAD")
