import re

from ml_pipeline.documents.changes import applied
from ml_pipeline.documents.snapshot import load_snapshot
from ml_pipeline.layout import POLICIES
from ml_pipeline.rules.render.drift import drift
from ml_pipeline.rules.review.consequence import ORDER
from ml_pipeline.rules.review.consequences import consequences, object_consequences
from ml_pipeline.rules.review.diff import ObjectChange

WAITING = "experiments/waiting/experiment.yaml"
PROMOTION = "environments/local/promotions/digits.yaml"


def rendered(files):
    return load_snapshot(applied(files, drift(load_snapshot(files))))


def said(before, after) -> list[tuple[str, str]]:
    old, new = rendered(before), rendered(after)
    changed = {
        path
        for path in old.files.keys() | new.files.keys()
        if old.files.get(path) != new.files.get(path)
    }
    return [(c.kind, c.text) for c in consequences(old, new, changed)]


def edited(files, path: str, old: str, new: str) -> dict:
    assert old in files[path].decode()
    return {**files, path: files[path].decode().replace(old, new).encode()}


def test_nothing_changes_between_equal_revisions(files):
    assert said(files, files) == []


def test_new_experiment_on_prepared_data_trains_and_says_what_it_costs(files):
    before = {p: raw for p, raw in files.items() if p != WAITING}
    ((kind, text),) = said(before, files)
    assert kind == "trains"
    assert (
        text
        == "trains waiting/ddd4bf48a3: 0.0007 USD (p90 0.0009) in 60 s (p90 78 s) on laptop, from 3 like runs"
    )


def test_policy_that_is_changed_or_taken_out_is_told_first(files):
    path = "base/platform/policies/jobs-run-once.yaml"
    other = edited(files, path, "apiVersion: ", "# weaker\napiVersion: ")
    gone = {p: raw for p, raw in files.items() if p != path}
    old = load_snapshot(files)
    for after in (other, gone):
        found = consequences(old, load_snapshot(after), [WAITING, path])
        assert (found[0].kind, found[0].path) == ("policies", path)
    assert [found.text for found in consequences(old, load_snapshot(gone), [path])] == [
        "changes what the cluster refuses, by taking out jobs-run-once; "
        "the policies were judged as they are afterwards"
    ]


def test_new_experiment_on_new_data_prepares_it_first(files):
    ((kind, text),) = said(
        {p: raw for p, raw in files.items() if p != WAITING},
        edited(files, WAITING, "digits}", "wine}"),
    )
    assert kind == "prepares"
    assert text.startswith(
        "trains waiting after preparing its data: at most 0.0100 USD in 15 min on laptop, "
    )


def test_experiment_that_was_trained_is_reused(files):
    path = "experiments/good/experiment.yaml"
    after = {
        **files,
        "experiments/again/experiment.yaml": files[path].replace(b"name: good", b"name: again"),
    }
    ((kind, text),) = said(files, after)
    assert kind == "reuses"
    assert text.endswith("is trained already: its receipt is reused, nothing runs")


def test_changed_seed_cancels_one_run_and_trains_another(files):
    kinds = [kind for kind, _ in said(files, edited(files, WAITING, "seed: 7", "seed: 8"))]
    assert kinds == ["cancels", "trains"]


def test_changed_memory_restarts_the_run_from_its_checkpoint(files):
    ((kind, text),) = said(files, edited(files, WAITING, "memory: 2Gi", "memory: 3Gi"))
    assert kind == "restarts"
    assert text.startswith(
        "restarts waiting/ddd4bf48a3 from its checkpoint in another Job: 0.0007 USD "
    )


def test_changed_base_restarts_what_is_waiting(files):
    path = "base/training-job/job.yaml"
    ((kind, text),) = said(
        files,
        edited(
            files, path, "terminationGracePeriodSeconds: 60", "terminationGracePeriodSeconds: 90"
        ),
    )
    assert kind == "restarts"
    assert text.startswith(
        "restarts waiting/ddd4bf48a3 from its checkpoint in another Job: 0.0007 USD "
    )


def test_second_experiment_on_data_that_is_asked_for_waits_for_it(files):
    before = edited(files, WAITING, "digits}", "wine}")
    after = {
        **before,
        "experiments/also/experiment.yaml": before[WAITING].replace(
            b"name: waiting", b"name: also"
        ),
    }
    ((kind, text),) = said(before, after)
    assert kind == "prepares"
    assert text.startswith(
        "trains also once its data is there, which is asked for already: at most "
    )


def test_changed_base_of_data_jobs_restarts_a_preparation_once(files):
    before = edited(files, WAITING, "digits}", "wine}")
    before |= {
        "experiments/also/experiment.yaml": before[WAITING].replace(b"name: waiting", b"name: also")
    }
    after = edited(
        before,
        "base/data-job/job.yaml",
        "terminationGracePeriodSeconds: 60",
        "terminationGracePeriodSeconds: 90",
    )
    ((kind, text),) = said(before, after)
    assert kind == "restarts"
    assert text.startswith("restarts the preparation of the data of also in another Job")


def test_changed_gate_of_a_run_that_goes_on_is_no_news(files):
    after = edited(files, WAITING, "min_accuracy: 0.9", "min_accuracy: 0.5")
    assert said(files, after) == [("nothing", "waiting/ddd4bf48a3 goes on as it is")]


def test_deleted_experiment_cancels_its_run(files):
    after = {p: raw for p, raw in files.items() if p != WAITING}
    assert said(files, after) == [
        ("cancels", "cancels the run ddd4bf48a3 of waiting, running or not")
    ]


def test_experiment_that_is_called_like_data_is_none(files):
    path = "experiments/data-x/experiment.yaml"
    before = {**files, path: files[WAITING].replace(b"name: waiting", b"name: data-x")}
    before = edited(before, path, "seed: 7", "seed: 8")
    after = edited(before, path, "memory: 2Gi", "memory: 3Gi")
    ((kind, text),) = said(before, files)
    assert kind == "cancels"
    assert re.fullmatch(r"cancels the run \w+ of data-x, running or not", text)
    ((kind, text),) = said(before, after)
    assert kind == "restarts"
    assert re.match(r"restarts data-x/\w+ from its checkpoint in another Job", text)


def test_promotion_says_from_what_to_what(files):
    before = {p: raw for p, raw in files.items() if p != PROMOTION}
    assert said(before, files) == [
        ("traffic", "digits in local: from nothing to 90 % good/31a4e76e1a, 10 % better/c39d9a14b0")
    ]
    assert said(files, before) == [
        ("traffic", "digits in local: from 90 % good/31a4e76e1a, 10 % better/c39d9a14b0 to nothing")
    ]


def test_largest_consequences_come_first(files):
    after = {p: raw for p, raw in files.items() if p not in (WAITING, PROMOTION)}
    kinds = [kind for kind, _ in said(files, after)]
    assert kinds == sorted(kinds, key=ORDER.index) == ["cancels", "traffic"]


GOOD, BETTER, THIRD = "good/31a4e76e1a", "better/c39d9a14b0", "good/0123456789"


def with_third_run(files) -> dict:
    """The tree with one more run of the model, which nobody promotes."""
    receipt = files["experiments/good/runs/31a4e76e1a.yaml"].replace(b"31a4e76e1a", b"0123456789")
    return {**files, "experiments/good/runs/0123456789.yaml": receipt}


def test_baseline_that_did_not_serve_is_told(files):
    """It would get nearly all of the traffic in one moment."""
    files = with_third_run(files)
    after = edited(files, PROMOTION, f"baseline: {GOOD}", f"baseline: {THIRD}")
    ((_, text),) = [row for row in said(files, after) if row[0] == "traffic"]
    assert text.endswith(f"; {THIRD} did not serve and gets 90 % at once")


def test_forgotten_baseline_is_told(files):
    files = with_third_run(files)
    text = files[PROMOTION].decode().replace(BETTER, THIRD).replace(f"baseline: {GOOD}\n", "")
    ((_, told),) = [r for r in said(files, {**files, PROMOTION: text.encode()}) if "% " in r[1]]
    assert told.endswith(f"to 100 % {THIRD}; {THIRD} did not serve and gets 100 % at once")


def test_canary_at_its_first_step_is_no_jump(files):
    files = with_third_run(files)
    after = edited(files, PROMOTION, f"run: {BETTER}", f"run: {THIRD}")
    ((_, text),) = [row for row in said(files, after) if row[0] == "traffic"]
    assert text.endswith(f"to 90 % {GOOD}, 10 % {THIRD}")


def test_policy_that_changes_with_the_facts_of_an_environment_is_told():
    facts = "environments/staging/environment.yaml"
    kind = "ValidatingAdmissionPolicy"
    changes = [
        ObjectChange("change", kind, "", "staging-images-are-pinned"),
        ObjectChange("change", kind, "", "production-images-are-pinned"),
        ObjectChange("change", "ConfigMap", "x", "staging-y"),
    ]
    (told,) = object_consequences(changes, [facts])
    assert (told.kind, told.path) == ("policies", facts)
    assert "staging-images-are-pinned" in told.text
    assert list(object_consequences(changes, [facts, f"{POLICIES}one.yaml"])) == []


ENVIRONMENT = "environments/local/environment.yaml"


def test_budget_and_prices_are_told_with_what_they_were(files):
    after = edited(files, ENVIRONMENT, "monthly: 100", "monthly: 50")
    after = edited(after, ENVIRONMENT, "price_per_hour: 0.08", "price_per_hour: 0.16")
    assert said(files, after) == [
        (
            "budgets",
            "an hour on the pool laptop costs 0.16 USD, 0.08 before, "
            "for what trains and serves in local from then on",
        ),
        ("budgets", "changes the budget of local from 100 USD to 50 USD a month"),
    ]


def test_what_is_removed_of_an_earlier_rollout_is_told(files):
    old = "environments/local/rollouts/digits/0123456789.yaml"
    before = load_snapshot({**files, old: b"x"})
    (found,) = consequences(before, load_snapshot(files), [old])
    assert found.kind == "keeps"
    assert found.text.startswith(
        "digits in local: takes out the weights of 0123456789, an earlier rollout; "
    )
