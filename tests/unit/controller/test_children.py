"""What a pool makes of itself: a Deployment of its template, or the scale of a workload."""

import copy

import pytest
from tests.unit.controller.small_cluster import Cluster, pool, row

from wattline.api.inferencepool import PodTemplate, WorkloadRef
from wattline.controller.children import children, deployment
from wattline.controller.replicas import resolve
from wattline.model.actions import Apply, Delete, Scale
from wattline.model.cluster import ClusterView, Owner, WorkloadSeen
from wattline.model.fleet import Fleet

USERS = {
    "metadata": {"labels": {"app": "coder"}, "annotations": {"note": "mine"}},
    "spec": {
        "schedulingGates": [{"name": "other.example/gate"}],
        "initContainers": [{"name": "weights", "image": "fetch"}],
        "containers": [{"name": "engine", "image": "vllm", "resources": {"limits": {"nvidia.com/gpu": 2}}}],
        "volumes": [{"name": "cache", "emptyDir": {}}],
        "affinity": {"nodeAffinity": {"x": 1}},
        "terminationGracePeriodSeconds": 300,
        "aFieldOfALaterKubernetes": {"kept": True},
    },
}


def of_template(**spec):
    return pool(template=PodTemplate.model_validate(USERS), **spec)


def made(coder=None, image="wattline:1", **seen):
    coder = coder or of_template()
    return deployment(coder, coder.spec.template, ClusterView(Fleet(), 1, image=image, **seen))


def actions(coder, *workloads):
    cluster = Cluster(row(), pools=[coder], row_a=("n1",))
    cluster.workloads = {each.full_name: each for each in workloads}
    return list(children(resolve(cluster.view())))


def workload(name="coder", *, kind="Deployment", replicas=2, owner=None, selector="app=coder"):
    return WorkloadSeen("apps/v1", kind, "agents", name, replicas=replicas, selector=selector, owner=owner)


def test_nothing_of_the_users_template_is_lost():
    before = copy.deepcopy(USERS)
    pod = made()["spec"]["template"]

    assert before == USERS
    assert pod["metadata"]["labels"]["app"] == "coder"
    assert pod["metadata"]["annotations"] == {"note": "mine"}
    for key, value in USERS["spec"].items():
        if isinstance(value, list):
            assert all(each in pod["spec"][key] for each in value), key
        else:
            assert pod["spec"][key] == value, key


def test_pods_carry_our_gate_once_our_label_and_a_first_container_that_waits_for_the_agent():
    pod = made()["spec"]["template"]

    assert pod["metadata"]["labels"]["wattline.dev/pool"] == "coder"
    assert [gate["name"] for gate in pod["spec"]["schedulingGates"]] == [
        "other.example/gate",
        "wattline.dev/placement",
    ]
    first, users = pod["spec"]["initContainers"]
    assert (first["image"], first["args"]) == ("wattline:1", ["wait-ready", "/run/wattline/ready.sock"])
    assert users["name"] == "weights"
    assert first["volumeMounts"][0]["readOnly"] is True
    assert first["volumeMounts"][0]["name"] in [volume["name"] for volume in pod["spec"]["volumes"]]
    assert first["securityContext"]["runAsNonRoot"] is True

    again = USERS | {"spec": USERS["spec"] | {"schedulingGates": [{"name": "wattline.dev/placement"}]}}
    gated = made(pool(template=PodTemplate.model_validate(again)))
    assert gated["spec"]["template"]["spec"]["schedulingGates"] == [{"name": "wattline.dev/placement"}]


@pytest.mark.parametrize(("policy", "said"), [("Never", {"imagePullPolicy": "Never"}), ("", {})])
def test_our_image_is_pulled_as_the_operator_was_told_or_as_the_cluster_has_it(policy, said):
    first = made(image_pull_policy=policy)["spec"]["template"]["spec"]["initContainers"][0]

    assert {name: first[name] for name in first if name.startswith("image")} == {"image": "wattline:1"} | said


def test_without_an_image_of_ours_there_is_no_container_of_ours():
    assert made(image="")["spec"]["template"]["spec"]["initContainers"] == USERS["spec"]["initContainers"]


def test_the_deployment_is_the_pools_and_goes_with_it_without_holding_it_up():
    (owner,) = made()["metadata"]["ownerReferences"]

    assert (owner["kind"], owner["name"], owner["uid"]) == ("InferencePool", "coder", "uid-coder")
    assert owner["controller"] is True
    assert owner["blockOwnerDeletion"] is False


@pytest.mark.parametrize(("asked", "replicas"), [(None, 1), (0, 0), (5, 5)])
def test_replicas_are_the_pools(asked, replicas):
    assert made(of_template(replicas=asked))["spec"]["replicas"] == replicas


def test_a_rollout_needs_neither_a_gpu_nor_watts_that_are_not_there():
    assert made()["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


REF = WorkloadRef(api_version="apps/v1", kind="Deployment", name="coder")


@pytest.mark.parametrize(
    ("replicas", "there", "want"),
    [
        pytest.param(None, workload(replicas=2), [], id="its own count stands"),
        pytest.param(2, workload(replicas=2), [], id="scaled already"),
        pytest.param(3, workload(replicas=2), [3], id="scaled up"),
        pytest.param(0, workload(replicas=2), [0], id="scaled to nothing"),
        pytest.param(3, None, [], id="not there"),
    ],
)
def test_a_workload_is_scaled_only_if_the_pool_says_how_far(replicas, there, want):
    done = actions(pool(workload_ref=REF, replicas=replicas), *([there] if there else []))

    assert done == [Scale("agents", "apps/v1", "Deployment", "coder", n) for n in want]


def test_a_deployment_of_that_name_that_is_somebody_elses_is_left_alone_and_the_pool_says_so():
    cluster = Cluster(row(), pools=[of_template()], row_a=("n1",))
    cluster.workloads = {("Deployment", "agents", "coder"): workload()}
    decisions = cluster.settle()

    assert not [each for each in decisions.actions if isinstance(each, Apply)]
    assert cluster.ready().reason == "NameTaken"
    assert "workloadRef" in cluster.ready().message


def test_a_name_that_no_label_can_hold_is_refused_before_anything_is_made():
    long = of_template().model_copy(
        update={"metadata": of_template().metadata.model_copy(update={"name": "x" * 64})}
    )
    cluster = Cluster(row(), pools=[long], row_a=("n1",))
    decisions = cluster.settle()

    assert not [each for each in decisions.actions if isinstance(each, Apply)]
    assert cluster.ready(f"agents/{'x' * 64}").reason == "NameTooLong"


def test_a_template_that_the_api_server_does_not_take_is_said_where_people_look():
    cluster = Cluster(row(), pools=[of_template()], row_a=("n1",))
    cluster.failed = {"Apply Deployment/agents/coder": "Deployment coder: spec.template: no such image"}
    cluster.settle()

    assert cluster.ready().reason == "WorkloadRefused"
    assert "no such image" in cluster.ready().message


def test_a_pool_that_has_no_template_any_more_takes_its_deployment_away():
    ours = workload(owner=Owner("InferencePool", "coder", "uid-coder"))
    other = workload(owner=Owner("InferencePool", "coder", "uid-of-an-earlier-one"))
    elsewhere = WorkloadRef(api_version="apps/v1", kind="StatefulSet", name="coder")

    assert actions(pool(workload_ref=elsewhere), ours) == [Delete("apps/v1", "Deployment", "agents", "coder")]
    assert actions(pool(workload_ref=elsewhere), other) == []
    assert actions(pool(workload_ref=REF), ours) == [], "it is taken over as it stands"
