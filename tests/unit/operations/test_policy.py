import json

from ml_pipeline.adapters.kustomize import Overlays
from ml_pipeline.cli import main
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.documents.writer import to_yaml
from ml_pipeline.operations.policy import Judgement, policy_faults

from tests.support.many import rendered


def edited(files, path: str, old: str, new: str) -> dict[str, bytes]:
    assert old in files[path].decode()
    return {**files, path: files[path].decode().replace(old, new).encode()}


def judged(files):
    with Overlays(files) as overlays:
        return policy_faults(load_snapshot(files), overlays)


def said(files) -> list[str]:
    return [str(fault) for fault in judged(rendered(files)).faults]


def test_what_is_rendered_passes(files):
    assert judged(rendered(files)) == Judgement((), 35)


def test_finding_stands_at_the_key_that_repairs_it(files):
    base = edited(
        files,
        "base/training-job/job.yaml",
        "automountServiceAccountToken: false",
        "hostNetwork: true",
    )
    (fault, *more) = said(base)
    assert fault.startswith("experiments/waiting/experiment.yaml:1: Job waiting-train-")
    assert len(more) == 1


def test_finding_of_what_no_document_says_names_the_experiment(files):
    removed = edited(
        files,
        "base/training-job/job.yaml",
        "spec:\n  backoffLimit",
        "spec:\n  ttlSecondsAfterFinished: 5\n  backoffLimit",
    )
    (fault,) = said(removed)
    assert "ttlSecondsAfterFinished would let Flux train the run again" in fault


def test_served_model_is_found_in_its_promotion(files):
    path = "environments/local/serving/digits/promotion/seldondeployment.yaml"
    files = edited(rendered(files), path, "traffic: 90", "traffic: 80")
    (fault,) = (str(fault) for fault in judged(files).faults)
    assert fault.startswith("environments/local/promotions/digits.yaml:")
    assert (
        "SeldonDeployment digits: the weights of the predictors do not sum to 100; correct rollout.steps"
        in fault
    )


def test_command_counts_what_passes(team, capsys):
    main(["render", "--repo", str(team)])
    capsys.readouterr()
    assert main(["policy", "--repo", str(team)]) == 0
    assert capsys.readouterr().out == "35 objects pass every policy\n"


def test_command_finds_what_was_edited_by_hand(team, capsys):
    main(["render", "--repo", str(team)])
    (job,) = (team / "environments/local/training").glob("waiting-*/job.yaml")
    job.write_text(job.read_text().replace("image: trainer@", "image: elsewhere@"))
    capsys.readouterr()
    assert main(["policy", "--repo", str(team), "--output", "json"]) == 1
    (fault,) = json.loads(capsys.readouterr().out)["faults"]
    assert "an image is not the trainer that environment.yaml names" in fault


def test_finding_is_red_where_colours_are_shown(team, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    main(["render", "--repo", str(team)])
    (job,) = (team / "environments/local/training").glob("waiting-*/job.yaml")
    job.write_text(job.read_text().replace("image: trainer@", "image: elsewhere@"))
    capsys.readouterr()
    assert main(["policy", "--repo", str(team)]) == 1
    assert capsys.readouterr().out.startswith("\x1b[31menvironments/local/environment.yaml:")


def test_what_the_platform_applies_is_judged(files):
    """By the policy of the same name, as the API server would for the account `platform`."""
    path = "base/platform/storage/extra.yaml"
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "x", "annotations": {"eks.amazonaws.com/role-arn": "a"}},
    }
    base = edited(
        files,
        "base/platform/storage/kustomization.yaml",
        "resources:\n",
        "resources:\n- extra.yaml\n",
    )
    faults = said({**base, path: to_yaml(account)})
    assert faults, faults
    assert [f for f in faults if "accounts-are-plain" not in f] == []
    assert [f for f in faults if "environment.yaml:" not in f] == []


def test_place_without_its_environment_is_no_crash(files):
    after = rendered(files)
    gone = "environments/staging/environment.yaml"
    kept = "environments/staging/platform/team/kustomization.yaml"
    tree = {path: raw for path, raw in after.items() if path != gone}
    assert judged({**tree, kept: b"resources: []\n"}).faults is not None
