import pytest
import yaml
from ml_pipeline.adapters import kubernetes
from ml_pipeline.cli import main

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/kustomizations.kustomize.toolkit.fluxcd.io"
UID = "0a1b"


def flux(*fields: str) -> dict:
    schema = {
        "openAPIV3Schema": {"properties": {"spec": {"properties": {name: {} for name in fields}}}}
    }
    return {"spec": {"versions": [{"name": "v1", "schema": schema}]}}


@pytest.fixture
def connected(api, monkeypatch):
    """A cluster with a recent Flux; what is applied is kept."""
    api.objects[CRD] = flux("path", "ignore")
    api.objects["/api/v1/namespaces/kube-system"] = {"metadata": {"uid": UID}}
    api.put(kubernetes.KUSTOMIZATIONS, "staging-platform")
    api.put(kubernetes.GIT_REPOSITORIES, "staging-platform")
    api.applied = []
    monkeypatch.setattr(
        kubernetes.Cluster, "apply", lambda self, stream: api.applied.append(stream) or "applied"
    )
    return api


def bootstrap(team, api, tmp_path, *options: str) -> int:
    main(["render", "--repo", str(team)])
    return main(
        [
            "bootstrap",
            "--repo",
            str(team),
            "--env",
            "staging",
            "--kubeconfig",
            str(api.kubeconfig(tmp_path)),
            *options,
        ]
    )


def test_without_apply_it_prints_what_the_cluster_needs(team, api, tmp_path, capsys):
    assert bootstrap(team, api, tmp_path) == 0
    kinds = [
        thing["kind"]
        for thing in yaml.safe_load_all(
            capsys.readouterr().out.partition("apiVersion")[2].join(["apiVersion", ""])
        )
    ]
    assert (
        kinds.count("Namespace"),
        kinds.count("Kustomization"),
        kinds.count("GitRepository"),
    ) == (3, 3, 1)
    assert api.asked == []


def test_apply_makes_the_token_once_and_names_the_hook(team, connected, tmp_path, capsys):
    assert bootstrap(team, connected, tmp_path, "--apply") == 0
    assert "webhook: send pushes to /hook/" in capsys.readouterr().err
    connected.objects["/api/v1/namespaces/staging-platform/secrets/receiver-token"] = {}
    bootstrap(team, connected, tmp_path, "--apply")
    assert "webhook" not in capsys.readouterr().err
    assert len(connected.applied) == 3


def test_secret_that_pushes_is_asked_for_where_it_is_not_there(team, connected, tmp_path, capsys):
    path = team / "environments/staging/environment.yaml"
    image = '{repository: r.example.com/scripts, digest: "sha256:' + "a" * 64 + '"}'
    path.write_text(path.read_text() + f"reconcile: {{image: {image}, secret: pushes}}\n")
    bootstrap(team, connected, tmp_path, "--apply")
    asked = "secret staging-platform/pushes is not there: make it from the key or token that pushes"
    assert asked in capsys.readouterr().err
    connected.objects["/api/v1/namespaces/staging-platform/secrets/pushes"] = {}
    bootstrap(team, connected, tmp_path, "--apply")
    assert asked not in capsys.readouterr().err


def test_cluster_is_recorded_and_the_fact_is_asked_for(team, connected, tmp_path, capsys):
    bootstrap(team, connected, tmp_path, "--apply")
    assert connected.patched[0][2] == {"metadata": {"annotations": {"ml-pipeline/cluster": UID}}}
    assert f"add `cluster: {UID}` to the environment.yaml" in capsys.readouterr().err


def test_shards_that_are_no_more_are_deleted_with_their_jobs(team, connected, tmp_path, capsys):
    """A Job bears the name of the Kustomization that made it: no other would ever prune it."""
    names = [{"metadata": {"name": name}} for name in ("training", "training-1", "training-2")]
    connected.put(kubernetes.KUSTOMIZATIONS, "staging-platform", *names)
    sources = [{"metadata": {"name": name}} for name in ("ml-pipeline", "ml-pipeline-1")]
    connected.put(kubernetes.GIT_REPOSITORIES, "staging-platform", *sources)
    assert bootstrap(team, connected, tmp_path, "--apply") == 0
    assert [path.rpartition("/")[2] for path in connected.deleted] == [
        "training-1",
        "training-2",
        "ml-pipeline-1",
    ]
    assert "training-2 deleted: training_shards is 1; its Jobs start" in capsys.readouterr().out


def test_old_flux_is_refused_before_anything_is_applied(team, connected, tmp_path, capsys):
    connected.objects[CRD] = flux("path")
    assert bootstrap(team, connected, tmp_path, "--apply") == 2
    assert (
        "Flux is older than 2.9 (its Kustomization has no spec.ignore); upgrade it with `flux install`"
        in capsys.readouterr().err
    )
    assert connected.applied == []


def test_another_cluster_is_refused_before_anything_is_applied(team, connected, tmp_path, capsys):
    path = team / "environments/staging/environment.yaml"
    path.write_text(path.read_text() + "cluster: 9z\n")
    assert bootstrap(team, connected, tmp_path, "--apply") == 2
    assert f"staging belongs to the cluster 9z, this is {UID}" in capsys.readouterr().err
    assert connected.applied == []


def bare_bootstrap(team, api, tmp_path) -> int:
    config = str(api.kubeconfig(tmp_path))
    return main(
        ["bootstrap", "--repo", str(team), "--env", "staging", "--kubeconfig", config, "--apply"]
    )


def edited(team):
    path = team / "environments/staging/flux/cluster/kustomization.yaml"
    path.write_text(path.read_text().replace("staging-", "stagging-"))
    return "environments/staging/flux/cluster/kustomization.yaml:1: is not what follows from"


def with_more(team):
    (team / "environments/staging/flux/admin.yaml").write_text("kind: ClusterRoleBinding\n")
    return "environments/staging/flux/admin.yaml:1: is not what follows from environment.yaml"


def on_a_remote_base(team):
    path = team / "base/flux/access/kustomization.yaml"
    path.write_text(path.read_text() + "- https://example.com/rights\n")
    return "'https://example.com/rights' is not the path of a file of this tree"


@pytest.mark.parametrize("spoil", [edited, with_more, on_a_remote_base])
def test_what_is_not_current_is_not_applied(team, connected, tmp_path, capsys, spoil):
    main(["render", "--repo", str(team)])
    said = spoil(team)
    assert bare_bootstrap(team, connected, tmp_path) == 2
    assert said in capsys.readouterr().err
    assert connected.applied == []


def test_embedded_environment_has_nothing_to_connect(team, capsys):
    assert main(["bootstrap", "--repo", str(team), "--env", "local"]) == 2
    assert "'local' is no environment that Flux reconciles" in capsys.readouterr().err
