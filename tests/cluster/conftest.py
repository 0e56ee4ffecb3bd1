"""One control plane for the whole run, from whatever is there; one environment with three namespaces for each module."""

import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from tests.cluster import providers
from tests.cluster.team import Services, new_team
from tests.conftest import REPOSITORY
from tests.support.environment import identify

NONE = "no cluster to test on"
LOGS = REPOSITORY / ".cache" / "cluster-logs"
# Loopback, and the bridges of this machine on which cluster-bin and container engines put a node.
BRIDGES = ["127.0.0.1", "localhost", "10.88.0.0/16", "172.16.0.0/12"]


def pytest_collection_modifyitems(items):
    for item in items:
        if {"provider", "kwok"} & set(item.fixturenames):
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.allow_hosts(BRIDGES))


def pytest_terminal_summary(terminalreporter):
    """Once, not for each test: how to get a cluster."""
    if any(NONE in str(report.longrepr) for report in terminalreporter.stats.get("skipped", ())):
        terminalreporter.write_line(f"{NONE}; {providers.HOW}")


@pytest.fixture(scope="session")
def provider(request):
    found = providers.find()
    if found is None:
        pytest.skip(NONE)
    providers.install_crds(found)
    yield found
    if request.session.testsfailed and found.logs():
        shutil.copytree(found.logs(), LOGS, dirs_exist_ok=True)
        print(f"the logs of every component are in {LOGS}")
    found.down()


@pytest.fixture(scope="session")
def services(provider):
    identify()
    folder = Path(tempfile.mkdtemp(prefix="ml-services-"))
    found = Services(provider, folder)
    started = found.start()
    yield found
    for process in started:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def image(provider) -> str:
    found = provider.image()
    if not found:
        pytest.skip(f"{provider.name} has no trainer image")
    return found


@pytest.fixture(scope="module")
def team(services, tmp_path_factory):
    """An environment whose Jobs are created and, for want of their image, never run."""
    found = new_team(services, tmp_path_factory.mktemp("team"))
    yield found
    found.end()


@pytest.fixture(scope="module")
def training_team(services, image, tmp_path_factory):
    """An environment whose Jobs train."""
    found = new_team(services, tmp_path_factory.mktemp("team"), image)
    yield found
    found.end()
