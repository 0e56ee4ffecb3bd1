"""ValidatingAdmissionPolicies evaluated before the merge: the verdict and the message that the API
server would give.

The expressions are CEL, evaluated by Google's own implementation. An object is matched by kind,
operation and the labels of its namespace, as the policies of base/platform/policies do it; what a
policy uses beyond that is refused, never passed over.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from ml_pipeline.documents.environment import Environment
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.snapshot import Files, Snapshot
from ml_pipeline.documents.writer import to_yaml
from ml_pipeline.layout import environment_folder
from ml_pipeline.rules.kustomize.build import Builder, parsed
from ml_pipeline.rules.kustomize.objects import Object
from ml_pipeline.rules.render.platform import policies_overlay

_SPEC = {"failurePolicy", "matchConstraints", "matchConditions", "variables", "validations"}
_RULE = {"apiGroups", "apiVersions", "operations", "resources"}
_GIVEN = ("object", "oldObject", "request", "variables")
_NEW = {"CREATE", "*"}


@dataclass(frozen=True)
class Denial:
    """One validation that an object does not pass."""

    policy: str
    message: str


@dataclass(frozen=True)
class _Validation:
    expression: Any
    text: str
    message: str
    message_expression: Any


@dataclass(frozen=True)
class _Policy:
    name: str
    rules: tuple[Mapping[str, Any], ...]
    labels: Mapping[str, list[str]]
    conditions: tuple[Any, ...]
    constants: Mapping[str, Any]
    variables: tuple[tuple[str, Any], ...]
    validations: tuple[_Validation, ...]


class Policies:
    """The policies of one environment, compiled."""

    def __init__(
        self, objects: Iterable[Object], namespaces: Mapping[str, Mapping[str, str]]
    ) -> None:
        """`objects` are policies and bindings, `namespaces` the labels of each namespace.

        Raises:
            PipelineError: a policy uses something that is not evaluated here, or does not compile.
        """
        self._namespaces = namespaces
        everything = list(objects)
        policies = [one for one in everything if one["kind"] == "ValidatingAdmissionPolicy"]
        by_name = {policy["metadata"]["name"]: policy for policy in policies}
        self._policies = [
            _policy(by_name, manifest)
            for manifest in everything
            if manifest["kind"] == "ValidatingAdmissionPolicyBinding"
        ]

    def denials(self, manifest: Object, user: str = "") -> Iterator[Denial]:
        """Every validation of every policy for this object that it does not pass, were it created
        now by this user."""
        for policy in self._policies:
            if any(_matches(rule, manifest) for rule in policy.rules) and self._selects(
                policy, manifest
            ):
                yield from _denials(policy, manifest, user)

    def _selects(self, policy: _Policy, manifest: Object) -> bool:
        """Whether the namespace is one of the binding's; what has none is selected by every
        binding, as Kubernetes does it."""
        if "namespace" not in manifest["metadata"]:
            return True
        labels = self._namespaces.get(manifest["metadata"]["namespace"], {})
        return all(labels.get(key) in values for key, values in policy.labels.items())


def policies_of(snapshot: Snapshot, environment: Environment) -> Policies:
    """The policies that hold in an environment, rendered from its facts; an embedded one has the
    same."""
    folder = environment_folder(environment.name, "flux/cluster")
    files = snapshot.files
    body = policies_overlay(files, environment, snapshot.environments)
    overlay = {f"{folder}/kustomization.yaml": to_yaml(body)}
    base = {path: files[path] for path in files if path.startswith("base/platform/")}
    namespaces = {}
    for part in ("platform", "training", "serving"):
        labels = _labels(files, f"base/flux/{part}/namespace.yaml") | {
            "ml-pipeline/environment": environment.name
        }
        namespaces[getattr(environment.namespaces, part)] = labels
    return Policies(Builder({**base, **overlay}).build(folder), namespaces)


def _labels(files: Files, path: str) -> dict[str, str]:
    """Labels of a namespace in base/."""
    if path not in files:
        raise PipelineError(f"{path}:1: is missing; restore it from git")
    labels = parsed(path, files[path])[0]["metadata"].get("labels")
    if not isinstance(labels, dict):
        raise PipelineError(
            f"{path}:1: has no labels, and policies find namespaces by them; restore it from git"
        )
    return labels


def _policy(policies: Mapping[str, Object], binding: Object) -> _Policy:
    try:
        return _compiled(policies, binding)
    except (AttributeError, KeyError, TypeError) as error:
        name = binding["metadata"]["name"]
        text = (
            f"binding {name}, or its policy, is not written as Kubernetes has it ({error!r}); "
            "restore both from git"
        )
        raise PipelineError(text) from error


def _compiled(policies: Mapping[str, Object], binding: Object) -> _Policy:
    name = binding["spec"]["policyName"]
    if name not in policies:
        raise PipelineError(
            f"binding {binding['metadata']['name']}: "
            f"policyName {name!r} is no policy here; correct it"
        )
    spec, bound = policies[name]["spec"], binding["spec"]
    _only(name, spec, _SPEC)
    _only(name, spec["matchConstraints"], {"resourceRules"})
    _only(name, bound, {"policyName", "validationActions", "matchResources"})
    for rule in spec["matchConstraints"]["resourceRules"]:
        _only(name, rule, _RULE)
        if not all(isinstance(rule[key], list) for key in _RULE):
            raise TypeError(f"a rule of {name} is no list")
    variables = spec.get("variables", ())
    selector = bound.get("matchResources", {}).get("namespaceSelector", {})
    _only(name, selector, {"matchLabels", "matchExpressions"})
    return _Policy(
        name,
        tuple(spec["matchConstraints"]["resourceRules"]),
        {key: [value] for key, value in selector.get("matchLabels", {}).items()}
        | _one_of(name, selector.get("matchExpressions", ())),
        tuple(
            _expression(name, condition["expression"])
            for condition in spec.get("matchConditions", ())
        ),
        _constants(name, variables),
        tuple(
            (variable["name"], _expression(name, variable["expression"]))
            for variable in variables
            if _looks_at_objects(variable)
        ),
        tuple(_validation(name, validation) for validation in spec["validations"]),
    )


def _looks_at_objects(variable: Mapping[str, Any]) -> bool:
    return any(name in variable["expression"] for name in _GIVEN)


def _constants(name: str, variables: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Variables that are the same for every object: evaluated once, as lists of names are most of
    what policies hold."""
    nothing = _environment().Activation(dict.fromkeys(_GIVEN))
    constants = {}
    for variable in variables:
        if not _looks_at_objects(variable):
            value = _value(_expression(name, variable["expression"]), nothing)
            if not isinstance(value, _EvaluationError):
                constants[variable["name"]] = value
    return constants


def _one_of(name: str, expressions: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The values that labels may have, by label."""
    for expression in expressions:
        if expression["operator"] != "In":
            raise PipelineError(
                f"policy {name}: the operator {expression['operator']} "
                "is not evaluated here; use In"
            )
    return {expression["key"]: expression["values"] for expression in expressions}


def _validation(name: str, validation: Mapping[str, Any]) -> _Validation:
    text = validation["expression"]
    said = validation.get("messageExpression")
    message = validation.get("message") or f"failed expression: {text}"
    return _Validation(
        _expression(name, text), text, message, _expression(name, said) if said else None
    )


def _only(name: str, body: Mapping[str, Any], known: set[str]) -> None:
    """Refuse a part of a policy that holds more than is evaluated here."""
    unknown = ", ".join(sorted(body.keys() - known))
    if unknown:
        raise PipelineError(f"policy {name}: {unknown} is not evaluated here; leave it out")


def _expression(name: str, text: str) -> Any:
    try:
        return _environment().compile(text)
    except (RuntimeError, ValueError) as error:
        raise PipelineError(
            f"policy {name}: {text!r} does not compile: {str(error).splitlines()[0]}; correct it"
        ) from error


@cache
def _environment() -> Any:
    """CEL with the variables and the extensions that the API server has, as far as the library has
    them."""
    from cel_expr_python import cel  # 0.08 s with its environment; most commands do not need it
    from cel_expr_python.ext import ext_bindings, ext_optional, ext_strings

    dynamic = cel.Type.DYN
    total = cel.Overload(
        "sum_list",
        return_type=dynamic,
        parameters=[cel.Type.List(dynamic)],
        is_member=True,
        impl=sum,
    )
    return cel.NewEnv(
        variables=dict.fromkeys(_GIVEN, dynamic),
        functions=[cel.FunctionDecl("sum", [total])],
        extensions=[
            ext_strings.ExtStrings(),
            ext_optional.ExtOptional(),
            ext_bindings.ExtBindings(),
        ],
    )


def _plural(kind: str) -> str:
    """The resource of a kind: jobs, priorityclasses, networkpolicies."""
    name = kind.lower()
    if name.endswith("y"):
        return f"{name[:-1]}ies"
    return f"{name}es" if name.endswith("s") else f"{name}s"


def _matches(rule: Mapping[str, Any], manifest: Object) -> bool:
    group, _, version = manifest["apiVersion"].rpartition("/")
    have = {"apiGroups": group, "apiVersions": version, "resources": _plural(manifest["kind"])}
    return all({value, "*"} & set(rule[key]) for key, value in have.items()) and bool(
        _NEW & set(rule["operations"])
    )


def _denials(policy: _Policy, manifest: Object, user: str) -> Iterator[Denial]:
    variables: dict[str, Any] = {**policy.constants}
    known = _known(manifest, user, variables)
    if not all(_value(condition, known) is True for condition in policy.conditions):
        return
    for name, expression in policy.variables:
        value = _value(expression, known)
        # Without a value, who uses it fails, as with the API server, which looks only then.
        if not isinstance(value, _EvaluationError):
            variables[name] = value
            known = _known(manifest, user, variables)
    for validation in policy.validations:
        value = _value(validation.expression, known)
        if isinstance(value, _EvaluationError):
            yield Denial(policy.name, f"expression '{validation.text}' resulted in error: {value}")
        elif value is not True:
            yield Denial(policy.name, _message(validation, known))


def _message(validation: _Validation, known: Any) -> str:
    """What the API server says: the expression's text, or the fixed one where that gives none."""
    if validation.message_expression:
        message = _value(validation.message_expression, known)
        if isinstance(message, str) and message.strip():
            return message
    return validation.message


def _known(manifest: Object, user: str, variables: Mapping[str, Any]) -> Any:
    """What expressions may speak of; made once for many, as that costs more than they do."""
    request = {
        "operation": "CREATE",
        "kind": {"kind": manifest["kind"]},
        "userInfo": {"username": user},
    }
    return _environment().Activation(
        {"object": manifest, "oldObject": None, "request": request, "variables": variables}
    )


class _EvaluationError(Exception):
    """An expression has no value for this object."""


def _value(expression: Any, known: Any) -> Any:
    try:
        found = expression.eval(activation=known)
        value = found.plain_value()
    except (RuntimeError, ValueError, TypeError) as error:
        return _EvaluationError(str(error))
    return _EvaluationError(str(value)) if found.type().name() == "ERROR" else value
