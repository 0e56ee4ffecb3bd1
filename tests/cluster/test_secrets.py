"""Secrets in git, encrypted with SOPS for an age key that is made on the spot, decrypted by the real kustomize-controller."""

import base64
import hashlib
import json
import secrets

import pytest
import yaml
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pyrage import encrypt, x25519

MODIFIED = "2026-01-01T00:00:00Z"


def sealed(key: bytes, value: str, where: str) -> str:
    """One value as SOPS writes it; `where` is bound to it (https://github.com/getsops/sops#encryption-protocol)."""
    iv = secrets.token_bytes(32)
    whole = AESGCM(key).encrypt(iv, value.encode(), where.encode())
    data, tag = (base64.b64encode(part).decode() for part in (whole[:-16], whole[-16:]))
    return f"ENC[AES256_GCM,data:{data},iv:{base64.b64encode(iv).decode()},tag:{tag},type:str]"


def sops(secret: dict, identity: x25519.Identity) -> str:
    """What `sops --encrypt --age RECIPIENT --encrypted-regex '^(data|stringData)$'` makes of a Secret."""
    key, digest = secrets.token_bytes(32), hashlib.sha512()
    for value in (
        secret["apiVersion"],
        secret["kind"],
        secret["metadata"]["name"],
        *secret["stringData"].values(),
    ):
        digest.update(value.encode())
    recipient = identity.to_public()
    values = {
        name: sealed(key, value, f"stringData:{name}:")
        for name, value in secret["stringData"].items()
    }
    head = {
        "age": [{"recipient": str(recipient), "enc": encrypt(key, [recipient], armored=True)}],
        "lastmodified": MODIFIED,
        "mac": sealed(key, digest.hexdigest().upper(), MODIFIED),
        "encrypted_regex": "^(data|stringData)$",
        "version": "3.9.0",
    }
    head["age"][0]["enc"] = head["age"][0]["enc"].decode()
    return yaml.safe_dump({**secret, "stringData": values, "sops": head}, sort_keys=False)


SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "artifacts"},
    "stringData": {
        "AWS_ACCESS_KEY_ID": "the key of ada",
        "AWS_SECRET_ACCESS_KEY": "in no log and in no commit",
    },
}


@pytest.fixture(scope="module")
def identity() -> x25519.Identity:
    return x25519.Identity.generate()


def commit(team, identity: x25519.Identity, message: str) -> str:
    folder = team.clone / f"environments/{team.name}/platform/secrets"
    folder.mkdir(exist_ok=True)
    (folder / "artifacts.yaml").write_text(sops(SECRET, identity))
    (folder / "kustomization.yaml").write_text(
        f"apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: {team.name}-training\nresources:\n- artifacts.yaml\n"
    )
    team.pipeline("render")
    return team.commit(message)


@pytest.fixture(scope="module")
def decrypting(team, identity):
    path = team.clone / f"environments/{team.name}/environment.yaml"
    path.write_text(path.read_text().replace('.git"}', '.git", decryption: sops-age}'))
    team.pipeline("render")
    team.commit("Decrypt secrets")
    said = team.on_cluster("bootstrap", "--apply")
    commit(team, identity, "Add the credentials of the artifact store")
    assert (
        f"secret {team.name}-platform/sops-age is not there: make it from the age key of SOPS"
        in said
    )
    return team


def test_missing_key_is_named(decrypting):
    team = decrypting
    said = team.wait(
        "status", lambda: "is missing" in (text := team.on_cluster("status", code=None)) and text
    )
    assert (
        "the Secret sops-age that it needs is missing; make it, see docs/tasks/connect-a-cluster.md"
        in said
    )


def test_secret_is_decrypted_in_the_cluster_alone(decrypting, identity):
    team = decrypting
    key = team.folder / "age.agekey"
    key.write_text(str(identity))
    team.kubectl(
        "create", "secret", "generic", "sops-age", f"--from-file=age.agekey={key}", part="platform"
    )
    team.kubectl(
        "annotate",
        "kustomizations.kustomize.toolkit.fluxcd.io",
        "platform",
        "reconcile.fluxcd.io/requestedAt=1",
        part="platform",
    )
    team.wait(
        "the Secret",
        lambda: any(s["metadata"]["name"] == "artifacts" for s in team.objects("secrets")),
    )
    found = json.loads(team.kubectl("get", "secret", "artifacts", "-o", "json"))["data"]
    assert {name: base64.b64decode(value).decode() for name, value in found.items()} == SECRET[
        "stringData"
    ]
    committed = (
        team.clone / f"environments/{team.name}/platform/secrets/artifacts.yaml"
    ).read_text()
    assert not any(value in committed for value in SECRET["stringData"].values())


def test_secret_for_another_key_is_named_and_changes_nothing(decrypting):
    team = decrypting
    commit(team, x25519.Identity.generate(), "Encrypt for another key")
    said = team.wait(
        "status",
        lambda: "does not decrypt" in (text := team.on_cluster("status", code=None)) and text,
    )
    assert "encrypt it for the key of this environment, or restore the key" in said
    assert any(s["metadata"]["name"] == "artifacts" for s in team.objects("secrets"))
    team.revert("^Encrypt for another key$")
    team.wait("the platform", lambda: team.ready("platform", team.head_revision()))
