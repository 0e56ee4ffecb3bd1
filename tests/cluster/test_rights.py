"""What each role may do, asked of the API server verb by verb, and what pods may be."""

import json
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest

VERBS = (
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "bind",
    "escalate",
    "impersonate",
)
SEE, ALL = {"get", "list", "watch"}, {"get", "list", "watch", "create", "update", "patch", "delete"}
PARTS = ("platform", "training", "serving")
GROUPS = ["system:serviceaccounts", "system:authenticated"]

_people = {
    **dict.fromkeys(
        (
            "/events",
            "/limitranges",
            "/persistentvolumeclaims",
            "/pods",
            "/pods/log",
            "/resourcequotas",
        ),
        SEE,
    ),
    **dict.fromkeys(
        (
            "/serviceaccounts",
            "/services",
            "batch/jobs",
            "machinelearning.seldon.io/seldondeployments",
        ),
        SEE,
    ),
    **dict.fromkeys(
        ("policy/poddisruptionbudgets", "source.toolkit.fluxcd.io/gitrepositories"), SEE
    ),
    **dict.fromkeys(
        ("kustomize.toolkit.fluxcd.io/kustomizations", "notification.toolkit.fluxcd.io/receivers"),
        SEE,
    ),
}
_kept = (
    "/resourcequotas",
    "/limitranges",
    "/persistentvolumeclaims",
    "/secrets",
    "networking.k8s.io/networkpolicies",
)
# What `platform` may do with objects of the whole cluster, and only with those that have its environment's names.
NAMED = {"get", "create", "patch", "update", "delete"}
QUEUES = ("kueue.x-k8s.io/clusterqueues", "kueue.x-k8s.io/resourceflavors")
BOUNDS = ("validatingadmissionpolicies", "validatingadmissionpolicybindings")
_platform = {**dict.fromkeys(_kept, ALL), "kueue.x-k8s.io/localqueues": ALL}
_look = {"/pods": {"get", "list"}}
# role -> where -> resource -> verbs; whatever is not named here must be refused.
MAY = {
    "people": dict.fromkeys(PARTS, _people),
    "platform": dict.fromkeys(PARTS, _platform),
    "training": {"training": {"batch/jobs": ALL, "/services": ALL, "/serviceaccounts": ALL}},
    "serving": {
        "serving": {
            "machinelearning.seldon.io/seldondeployments": ALL,
            "policy/poddisruptionbudgets": ALL,
            "/serviceaccounts": ALL,
        }
    },
    "reconcile": {
        "training": {"batch/jobs": {"get", "list"}, **_look},
        "serving": {"machinelearning.seldon.io/seldondeployments": {"get", "list"}, **_look},
    },
    "pods": {},
}


@pytest.fixture(scope="module")
def api(provider):
    from kubernetes import config

    return config.new_client_from_config(str(provider.kubeconfig))


@pytest.fixture(scope="module")
def team(team, api):
    """The environment once the API server knows every binding: of each role, in each place."""
    for role, places in MAY.items():
        for place, rights in places.items():
            resource, verbs = next(iter(rights.items()))
            asked = (subject(team, role), f"{team.name}-{place}" if place else "", resource)
            verb = min(verbs)
            team.wait(
                f"{role} to be bound in {place or 'the cluster'}",
                lambda a=asked, v=verb: allowed(api, *a, v),
            )
    return team


@pytest.fixture(scope="module")
def platform(team):
    """The environment once Flux has applied what belongs to its platform."""
    team.wait("the platform", lambda: team.ready("platform", team.head_revision()))
    return team


@pytest.fixture(scope="module")
def resources(provider) -> list[tuple[str, bool]]:
    """Every resource that the API server has, as group/name, and whether it lives in a namespace."""
    found = []
    groups = json.loads(provider.kubectl("get", "--raw", "/apis"))["groups"]
    paths = [
        (group["name"], f"/apis/{group['preferredVersion']['groupVersion']}") for group in groups
    ]
    for name, path in [("", "/api/v1"), *paths]:
        found += [
            (f"{name}/{r['name']}", r["namespaced"])
            for r in json.loads(provider.kubectl("get", "--raw", path))["resources"]
        ]
    return found


def subject(team, role: str) -> dict:
    if role == "people":
        return {"user": "ada", "groups": ["ml-pipeline-readers", "system:authenticated"]}
    namespace, account = (
        (f"{team.name}-training", "trainer") if role == "pods" else (f"{team.name}-platform", role)
    )
    return {
        "user": f"system:serviceaccount:{namespace}:{account}",
        "groups": [*GROUPS, f"system:serviceaccounts:{namespace}"],
    }


def allowed(api, who: dict, namespace: str, resource: str, verb: str, called: str = "") -> bool:
    group, _, name = resource.partition("/")
    name, _, sub = name.partition("/")
    asked = {
        "namespace": namespace,
        "verb": verb,
        "group": group,
        "resource": name,
        "subresource": sub,
        "name": called,
    }
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {**who, "resourceAttributes": asked},
    }
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    answer = api.call_api(
        path,
        "POST",
        body=body,
        auth_settings=["BearerToken"],
        response_types_map={201: "object"},
        _return_http_data_only=True,
    )
    return answer["status"]["allowed"]


def everything(api, team, who: dict, resources) -> dict[tuple[str, str], set[str]]:
    """All that somebody may do, by place and resource; places are the environment's namespaces, another one, and the whole cluster."""
    names = {part: f"{team.name}-{part}" for part in PARTS} | {"elsewhere": "kube-system", "": ""}
    questions = [
        (place, r, verb)
        for place, (r, inside), verb in product(names, resources, VERBS)
        if inside or place == ""
    ]
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda q: allowed(api, who, names[q[0]], q[1], q[2]), questions)
        found: dict[tuple[str, str], set[str]] = {}
        for (place, resource, verb), yes in zip(questions, answers, strict=True):
            if yes:
                found.setdefault((place, resource), set()).add(verb)
    return found


@pytest.fixture(scope="module")
def anybody(api, team, resources):
    """What every account of any cluster may do."""
    return everything(
        api, team, {"user": "system:serviceaccount:default:nobody", "groups": GROUPS}, resources
    )


@pytest.mark.parametrize("role", MAY)
def test_role_may_do_this_and_nothing_else(api, team, resources, anybody, role):
    found = everything(api, team, subject(team, role), resources)
    more = {place: verbs - anybody.get(place, set()) for place, verbs in found.items()}
    expected = {
        (place, resource): verbs
        for place, wanted in MAY[role].items()
        for resource, verbs in wanted.items()
    }
    assert {place: verbs for place, verbs in more.items() if verbs} == expected


def may(api, team, resource: str, called: str) -> set[str]:
    """What `platform` may do with one object of the whole cluster."""
    who = subject(team, "platform")
    return {verb for verb in VERBS if allowed(api, who, "", resource, verb, called)}


def test_platform_touches_its_own_objects_of_the_whole_cluster(api, team):
    classes = "scheduling.k8s.io/priorityclasses"
    own = [(classes, "training"), (classes, "serving"), *((kind, "training") for kind in QUEUES)]
    for kind, part in own:
        team.wait(kind, lambda k=kind, p=part: may(api, team, k, f"{team.name}-{p}") == NAMED)
        assert may(api, team, kind, f"production-{part}") == set()
        assert may(api, team, kind, part) == set()


@pytest.mark.parametrize("kind", BOUNDS)
def test_platform_cannot_touch_what_bounds_it(api, platform, kind):
    path = f"/apis/admissionregistration.k8s.io/v1/{kind}"
    found = json.loads(platform.provider.kubectl("get", "--raw", path))["items"]
    names = [thing["metadata"]["name"] for thing in found]
    assert f"{platform.name}-platform-stays-inside" in names
    for name in names:
        assert may(api, platform, f"admissionregistration.k8s.io/{kind}", name) == set()


@pytest.mark.parametrize(
    ("named", "field", "said"),
    [
        ("training", {"globalDefault": True}, "above 1000 or is everybody's"),
        ("mine", {}, "cannot patch resource"),
    ],
)
def test_platform_is_refused_what_is_not_its_own(platform, named, field, said):
    name = f"{platform.name}-{named}"
    thing = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name},
        "value": 100,
        **field,
    }
    user = subject(platform, "platform")["user"]
    words = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", f"--as={user}")
    with pytest.raises(AssertionError, match=said):
        platform.provider.kubectl(*words, "-f", "-", stdin=json.dumps(thing))


def pod(**spec) -> str:
    container = {"name": "main", "image": "registry.example.com/x@sha256:" + "a" * 64}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p"},
            "spec": {"containers": [container], **spec},
        }
    )


RESTRICTED = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def refusal(team, part: str, manifest: str) -> str:
    try:
        team.provider.kubectl(
            "-n", f"{team.name}-{part}", "create", "--dry-run=server", "-f", "-", stdin=manifest
        )
    except AssertionError as error:
        return str(error)
    return ""


def test_training_pods_are_restricted(team):
    assert 'violates PodSecurity "restricted' in refusal(
        team, "training", pod(securityContext=RESTRICTED)
    )
    contained = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    image = "registry.example.com/x@sha256:" + "a" * 64
    whole = pod(
        securityContext=RESTRICTED,
        containers=[{"name": "main", "image": image, "securityContext": contained}],
    )
    assert refusal(team, "training", whole) == ""


def test_serving_pods_are_baseline(team):
    assert refusal(team, "serving", pod()) == ""
    assert 'violates PodSecurity "baseline' in refusal(team, "serving", pod(hostNetwork=True))


def test_platform_is_in_place(platform):
    team = platform
    quota = {q["metadata"]["name"]: q["spec"]["hard"] for q in team.objects("resourcequotas")}
    assert quota["pools"]["requests.cpu"] == "64"
    assert {"closed", "dns"} <= {
        p["metadata"]["name"] for p in team.objects("networkpolicies", "serving")
    }
    assert f"{team.name}-training" in team.provider.kubectl("get", "priorityclasses", "-o", "name")


def test_networks_are_closed_but_for_what_is_needed(platform):
    policies = {p["metadata"]["name"]: p["spec"] for p in platform.objects("networkpolicies")}
    assert policies["closed"]["podSelector"] == {}
    assert sorted(policies["closed"]["policyTypes"]) == ["Egress", "Ingress"]
    ports = [
        port["port"]
        for rule in policies["tracking-and-storage"]["egress"]
        for port in rule["ports"]
    ]
    assert ports == [5000, 443]


def test_queue_is_taken_by_the_api_server(team):
    path = team.clone / f"environments/{team.name}/environment.yaml"
    path.write_text(path.read_text() + "kueue: true\n")
    team.pipeline("render")
    revision = team.commit("Let Kueue admit the Jobs")
    team.wait("the platform", lambda: team.ready("platform", revision))
    (queue,) = team.objects("localqueues.kueue.x-k8s.io")
    assert queue["spec"]["clusterQueue"] == f"{team.name}-training"
    cluster = json.loads(
        team.provider.kubectl(
            "get", "clusterqueues.kueue.x-k8s.io", queue["spec"]["clusterQueue"], "-o", "json"
        )
    )
    (flavor,) = cluster["spec"]["resourceGroups"][0]["flavors"]
    assert {r["name"]: r["nominalQuota"] for r in flavor["resources"]} == {
        "cpu": "64",
        "memory": "262144Mi",
        "nvidia.com/gpu": "0",
    }
