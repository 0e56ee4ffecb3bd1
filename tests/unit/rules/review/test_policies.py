from pathlib import Path

import pytest
import yaml
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.kustomize.build import Builder
from ml_pipeline.rules.render.platform import GUARD, applier
from ml_pipeline.rules.review.policies import Denial, Policies, policies_of

from tests.conftest import FIXTURES, REPOSITORY, folder

EXAMPLES = sorted((FIXTURES / "policies").glob("*/*/*.yaml"))
POLICY = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicy",
    "metadata": {"name": "p"},
    "spec": {
        "matchConstraints": {
            "resourceRules": [
                {
                    "apiGroups": ["batch"],
                    "apiVersions": ["v1"],
                    "operations": ["CREATE"],
                    "resources": ["jobs"],
                }
            ]
        },
        "validations": [{"expression": "object.spec.parallelism < 3"}],
    },
}
BINDING = {
    "kind": "ValidatingAdmissionPolicyBinding",
    "metadata": {"name": "b"},
    "spec": {"policyName": "p", "validationActions": ["Deny"]},
}
JOB = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "j", "namespace": "t"},
    "spec": {"parallelism": 3},
}


@pytest.fixture(scope="module")
def staging() -> Policies:
    files = folder(REPOSITORY, "environments") | folder(REPOSITORY, "base")
    snapshot = Snapshot(files)
    return policies_of(snapshot, snapshot.environments["staging"])


def policies(**spec) -> Policies:
    return Policies(
        [{**POLICY, "spec": {**POLICY["spec"], **spec}}, BINDING], {"t": {"part": "training"}}
    )


def part_of(example: Path, thing: dict) -> str:
    """What an example is a part of, and is applied with the account of."""
    if example.parents[1].name == GUARD:
        return "platform"
    return "serving" if thing["kind"] == "SeldonDeployment" else "training"


def messages(found: Policies, thing: dict = JOB) -> list[str]:
    return [denial.message for denial in found.denials(thing)]


@pytest.mark.parametrize(
    "example", EXAMPLES, ids=lambda path: "/".join(path.with_suffix("").parts[-3:])
)
def test_example_gets_its_verdict_without_a_cluster(staging, example):
    text = example.read_text()
    thing = yaml.safe_load(text)
    part = part_of(example, thing)
    if part != "platform":
        thing["metadata"]["namespace"] = f"staging-{part}"
    message = text.splitlines()[0].removeprefix("# message: ")
    policy = f"staging-{example.parents[1].name}"
    user = f"system:serviceaccount:staging-platform:{part}"
    found = list(staging.denials(thing, user))
    assert found[:1] == ([] if example.parent.name == "accepted" else [Denial(policy, message)])
    assert {denial.policy for denial in found} <= {policy}, "the API server says one of them"


def test_other_namespaces_are_left_alone(staging):
    rejected = next(path for path in EXAMPLES if path.parent.name == "rejected")
    thing = yaml.safe_load(rejected.read_text())
    thing["metadata"]["namespace"] = "default"
    assert list(staging.denials(thing)) == []


@pytest.mark.parametrize("name", ["staging", "production"])
def test_what_flux_keeps_passes_what_bounds_it(name):
    files = folder(REPOSITORY, "environments") | folder(REPOSITORY, "base")
    snapshot = Snapshot(files)
    environment = snapshot.environments[name]
    found, user = policies_of(snapshot, environment), applier(environment, "platform")
    things = Builder(files).build(f"environments/{name}/platform")
    assert len(things) > 10
    assert [d for thing in things for d in found.denials(thing, user)] == []


@pytest.mark.parametrize(
    ("name", "account", "said"),
    [("reconcile", "reconcile", 0), ("mine", "reconcile", 1), ("reconcile", "platform", 1)],
)
def test_only_reconcile_is_a_deployment_of_the_platform(staging, name, account, said):
    pod = {"serviceAccountName": account, "containers": [{"name": "reconcile"}]}
    thing = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "staging-platform"},
        "spec": {"template": {"spec": pod}},
    }
    user = "system:serviceaccount:staging-platform:platform"
    assert len(list(staging.denials(thing, user))) == said
    assert list(staging.denials(thing, "system:serviceaccount:ml-platform:platform")) == []


def test_embedded_environment_has_the_same_policies(files):
    thing = yaml.safe_load(
        (FIXTURES / "policies/containers-are-rendered/rejected/privileged.yaml").read_text()
    )
    thing["metadata"]["namespace"] = "local-training"
    found = policies_of(Snapshot(files), Snapshot(files).environments["local"])
    assert (
        "the container has other privileges than the renderer writes; restore securityContext"
        in messages(found, thing)
    )


def test_validation_without_a_message_shows_its_expression():
    assert messages(policies()) == ["failed expression: object.spec.parallelism < 3"]


def test_message_can_be_computed():
    validation = {
        "expression": "object.spec.parallelism < 3",
        "messageExpression": "'asked ' + string(object.spec.parallelism)",
    }
    assert messages(policies(validations=[validation])) == ["asked 3"]


def test_expression_without_a_value_refuses():
    (said,) = messages(
        policies(validations=[{"expression": "object.spec.gone == 1", "message": "m"}])
    )
    assert said.startswith("expression 'object.spec.gone == 1' resulted in error: ")


def test_variable_without_a_value_harms_only_who_uses_it():
    variables = [{"name": "gone", "expression": "object.spec.gone"}]
    assert (
        messages(
            policies(
                variables=variables, validations=[{"expression": "object.spec.parallelism == 3"}]
            )
        )
        == []
    )
    assert (
        len(
            messages(
                policies(variables=variables, validations=[{"expression": "variables.gone == 1"}])
            )
        )
        == 1
    )


@pytest.mark.parametrize(
    ("condition", "denied"),
    [("object.spec.parallelism == 3", 1), ("object.spec.parallelism == 4", 0)],
)
def test_conditions_decide_whether_a_policy_is_asked(condition, denied):
    assert (
        len(messages(policies(matchConditions=[{"name": "c", "expression": condition}]))) == denied
    )


def test_other_kinds_are_not_matched():
    assert messages(policies(), {**JOB, "kind": "CronJob"}) == []


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (
            {"paramKind": {"kind": "ConfigMap"}},
            "policy p: paramKind is not evaluated here; leave it out",
        ),
        (
            {"validations": [{"expression": "object.spec +"}]},
            "policy p: 'object.spec +' does not compile: ",
        ),
        ({"validations": [{"expression": "quantity('1Gi').asInteger() > 0"}]}, "does not compile"),
    ],
)
def test_what_cannot_be_evaluated_here_is_refused_not_passed_over(spec, said):
    with pytest.raises(PipelineError) as error:
        policies(**spec)
    assert said in str(error.value)


def test_binding_without_its_policy_is_named():
    with pytest.raises(PipelineError, match="'p' is no policy here"):
        Policies([BINDING], {})
