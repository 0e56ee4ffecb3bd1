"""How a process that nobody looks after reaches a git server.

With the key or the token of a mounted Secret, read anew for each command, and never longer than
some seconds. The Secret's keys are those of Flux's:
https://fluxcd.io/flux/components/source/gitrepositories/
"""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from ml_pipeline.documents.faults import PipelineError

SECONDS = 240.0  # a push takes one; the first fetch of a large repository is the longest
_CONNECT_SECONDS = 15
# Reads the files when git asks, so that a token that was renewed meanwhile counts.
_HELPER = (
    '!f() {{ test "$1" = get && echo "username=$(cat {user} 2>/dev/null || echo git)" '
    '&& echo "password=$(cat {password})"; }}; f'
)
# What git and ssh say, and what to do about it; the first match counts.
_CAUSES = (
    (
        r"Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED",
        "the host key of the git server is not the one in known_hosts of the Secret; compare it "
        "with what the server's operator publishes, and correct known_hosts",
    ),
    (
        r"Permission denied \(|error in libcrypto|invalid format",
        "the git server does not take the key; add its public half as a deploy key with write "
        "access, or renew the Secret",
    ),
    (
        r"Authentication failed|could not read (?:Username|Password)|returned error: 40[13]"
        r"|[Aa]ccess denied",
        "the git server does not take the token (expired, revoked, or without write access); "
        "renew it in the Secret",
    ),
    (
        r"returned error: 404|[Rr]epository not found|does not appear to be a git repository",
        "the git server has no such repository for this key or token; correct source.url, "
        "or give it access",
    ),
    (
        r"[Cc]ould not resolve host|Connection refused|Failed to connect|timed? ?out"
        r"|Connection reset|No route to host",
        "the git server does not answer; check source.url and the NetworkPolicy reconcile",
    ),
)


@dataclass(frozen=True)
class GitAccess:
    """The folder of a mounted Secret, and the longest that a command may take."""

    secret: Path
    seconds: float = SECONDS

    def variables(self) -> dict[str, str]:
        """Variables with which git uses what the Secret holds now, and asks nobody.

        Raises:
            PipelineError: it holds neither a key with known_hosts nor a token.
        """
        # In English: `explained` and the rejection of a push read what git says.
        variables = {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
        if (self.secret / "ca.crt").exists():
            variables["GIT_SSL_CAINFO"] = str(self.secret / "ca.crt")
        if (self.secret / "identity").exists():
            return variables | {"GIT_SSH_COMMAND": self._ssh()}
        if (self.secret / "password").exists():
            return variables | self._helper()
        raise PipelineError(
            f"{self.secret}: the Secret of reconcile.secret is not there, or holds neither "
            "`identity` (a deploy key, with `known_hosts`) nor `password` (a token); make it, "
            "see docs/tasks/connect-a-cluster.md"
        )

    def _ssh(self) -> str:
        known = self.secret / "known_hosts"
        if not known.exists():
            raise PipelineError(
                f"{known}: is not there, and no host is trusted without; "
                "add the host key of the git server to the Secret"
            )
        options = {
            "BatchMode": "yes",
            "IdentitiesOnly": "yes",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(known),
            "GlobalKnownHostsFile": "/dev/null",
            "ConnectTimeout": str(_CONNECT_SECONDS),
            "ServerAliveInterval": str(_CONNECT_SECONDS),
        }
        command = ["ssh", "-F", "/dev/null", "-i", str(self.secret / "identity")]
        for key, value in options.items():
            command += ["-o", f"{key}={value}"]
        return shlex.join(command)

    def _helper(self) -> dict[str, str]:
        user = shlex.quote(str(self.secret / "username"))
        password = shlex.quote(str(self.secret / "password"))
        # An empty helper first: it takes away those of the machine's own configuration.
        helpers = ("", _HELPER.format(user=user, password=password))
        variables = {"GIT_CONFIG_COUNT": str(len(helpers))}
        for number, helper in enumerate(helpers):
            variables[f"GIT_CONFIG_KEY_{number}"] = "credential.helper"
            variables[f"GIT_CONFIG_VALUE_{number}"] = helper
        return variables


def explained(stderr: str) -> str:
    """What to do about what git said of a server, empty where that is not known."""
    return next((text for pattern, text in _CAUSES if re.search(pattern, stderr)), "")
