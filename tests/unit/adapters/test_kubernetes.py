import pytest
from ml_pipeline.adapters.kubernetes import (
    JOBS,
    PODS,
    SELDON_DEPLOYMENTS,
    Cluster,
    DeniedError,
    NotServedError,
)
from ml_pipeline.documents.faults import PipelineError, UnavailableError

PATH = "/apis/batch/v1/namespaces/t/jobs"


def test_objects_are_those_of_the_namespace_and_selector(api, cluster):
    api.put(JOBS, "t", {"metadata": {"name": "a"}})
    assert [
        job["metadata"]["name"] for job in cluster.objects(JOBS, "t", "pipeline=ml-training")
    ] == ["a"]
    assert api.asked == [(PATH, {"labelSelector": ["pipeline=ml-training"]})]


@pytest.mark.parametrize(
    ("status", "said", "error", "text"),
    [
        (
            401,
            "Unauthorized",
            UnavailableError,
            "does not accept the credentials (expired, or revoked); renew the kubeconfig",
        ),
        (
            403,
            'jobs.batch is forbidden: User "x" cannot list.',
            DeniedError,
            'User "x" cannot list; ask for the group ml-pipeline-readers',
        ),
        (404, "not found", NotServedError, "is not there: not found; install what serves it"),
        (500, "etcd is slow", UnavailableError, "with 500: etcd is slow; try again"),
    ],
)
def test_refusal_is_one_line_with_the_repair(api, cluster, status, said, error, text):
    api.refuses[PATH] = (status, said)
    with pytest.raises(error) as raised:
        cluster.objects(JOBS, "t")
    assert text in str(raised.value)
    assert "\n" not in str(raised.value)


def test_silent_server_is_unavailable(tmp_path, api):
    api.port = 9
    with pytest.raises(UnavailableError, match="does not answer; check the network"):
        Cluster(api.kubeconfig(tmp_path)).objects(JOBS, "t")


def test_missing_kubeconfig_says_how_to_name_one(tmp_path):
    with pytest.raises(
        PipelineError,
        match="no cluster to talk to: .*; set KUBECONFIG, or name a file with --kubeconfig",
    ):
        Cluster(tmp_path / "none").objects(JOBS, "t")


def test_unknown_context_is_named(api, tmp_path):
    with pytest.raises(PipelineError, match="no cluster to talk to: .*elsewhere"):
        Cluster(api.kubeconfig(tmp_path), "elsewhere").objects(JOBS, "t")


def test_log_comes_whole(api, cluster):
    api.objects["/api/v1/namespaces/t/pods/p/log"] = b"epoch 1\nepoch 2\n"
    assert b"".join(cluster.log("t", "p", follow=True)) == b"epoch 1\nepoch 2\n"
    assert api.asked[-1][1] == {"follow": ["true"]}


def test_status_is_merged(api, cluster):
    cluster.patch_status(SELDON_DEPLOYMENTS, "s", "digits", {"state": "Available"})
    path = "/apis/machinelearning.seldon.io/v1/namespaces/s/seldondeployments/digits/status"
    assert api.patched == [
        (path, "application/merge-patch+json", {"status": {"state": "Available"}})
    ]


def test_annotations_are_merged(api, cluster):
    cluster.annotate(PODS, "t", "p", {"a": "b"})
    assert api.patched[0][2] == {"metadata": {"annotations": {"a": "b"}}}


def test_existence_is_a_question_without_error(api, cluster):
    api.objects["/api/v1/namespaces/t/secrets/there"] = {}
    assert cluster.exists("/api/v1/namespaces/t/secrets/there")
    assert not cluster.exists("/api/v1/namespaces/t/secrets/gone")
