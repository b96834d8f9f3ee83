"""The cluster that the other suites stand on: pods run, see their GPUs, find each other and can be looked into."""

import json

from kubernetes import client

from harness.images import PLAIN
from harness.settings import Settings
from wattline.fake import build


def pod(name, command, *, gpus=0, labels=None):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "restartPolicy": "Never",
            "containers": [
                {
                    "name": "main",
                    "image": PLAIN.name,
                    "command": command,
                    "resources": {"limits": {"nvidia.com/gpu": gpus}} if gpus else {},
                }
            ],
        },
    }


def until_ready(kubectl, namespace, *names):
    for name in names:
        kubectl("wait", "-n", namespace, "--for=condition=Ready", f"pod/{name}", "--timeout=40s")


def test_pods_get_the_gpus_that_the_fake_driver_of_their_node_has(cluster, plain, namespace):
    show = "import json, os; print(json.dumps({k: os.environ[k] for k in ('NVIDIA_VISIBLE_DEVICES', 'LD_LIBRARY_PATH')}))"
    cluster.apply(pod("two", ["python3", "-c", show], gpus=2), namespace=namespace)
    cluster.kubectl(
        "wait", "-n", namespace, "--for=jsonpath={.status.phase}=Succeeded", "pod/two", "--timeout=40s"
    )

    seen = json.loads(cluster.kubectl("logs", "-n", namespace, "two"))

    given = seen["NVIDIA_VISIBLE_DEVICES"].split(",")
    assert len(set(given)) == 2
    assert set(given) <= set(build.uuids(Settings().node, Settings().gpus, seed=0))
    assert seen["LD_LIBRARY_PATH"] == "/run/wattline-e2e/lib"


def test_pods_find_services_by_name_and_reach_them_by_address(cluster, plain, namespace, kubectl):
    serve = ["sh", "-c", "echo hello > /tmp/index.html && exec python3 -m http.server 8000 --directory /tmp"]
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "greeter"},
        "spec": {"selector": {"app": "greeter"}, "ports": [{"port": 80, "targetPort": 8000}]},
    }
    fetch = f"import urllib.request as u; print(u.urlopen('http://greeter.{namespace}.svc.cluster.local/', timeout=10).read())"
    again = {**pod("client", ["python3", "-c", fetch])}
    again["spec"]["restartPolicy"] = "OnFailure"  # the address answers a moment after the pod is ready

    cluster.apply(service, pod("server", serve, labels={"app": "greeter"}), namespace=namespace)
    until_ready(kubectl, namespace, "server")
    cluster.apply(again, namespace=namespace)
    kubectl(
        "wait", "-n", namespace, "--for=jsonpath={.status.phase}=Succeeded", "pod/client", "--timeout=60s"
    )

    assert "hello" in kubectl("logs", "-n", namespace, "client")


def test_logs_and_exec_reach_into_a_running_pod(cluster, plain, namespace, kubectl):
    talk = "print('said', flush=True); import time; time.sleep(600)"
    cluster.apply(pod("talker", ["python3", "-c", talk]), namespace=namespace)
    until_ready(kubectl, namespace, "talker")

    assert kubectl("exec", "-n", namespace, "talker", "--", "cat", "/etc/hostname").strip() == "talker"
    assert kubectl("logs", "-n", namespace, "talker") == "said\n"


def test_a_frozen_container_stands_still_and_goes_on_when_thawed(
    cluster, components, plain, namespace, kubectl
):
    tick = "import time\nwhile True:\n    print('tick', flush=True); time.sleep(0.1)"
    cluster.apply(pod("ticker", ["python3", "-c", tick]), namespace=namespace)
    until_ready(kubectl, namespace, "ticker")

    def ticks():
        return kubectl("logs", "-n", namespace, "ticker").count("tick")

    cluster.freeze(namespace, "ticker")
    before = ticks()
    kubectl("get", "nodes")
    kubectl("get", "nodes")
    assert ticks() == before
    cluster.thaw(namespace, "ticker")
    kubectl("exec", "-n", namespace, "ticker", "--", "sleep", "0.5")
    assert ticks() > before


def test_pods_outlive_a_restart_of_every_single_component(cluster, components, plain, namespace, kubectl):
    cluster.apply(pod("sleeper", ["sleep", "600"], gpus=1), namespace=namespace)
    until_ready(kubectl, namespace, "sleeper")
    before = cluster.get("pod", "-n", namespace, "sleeper")["status"]["containerStatuses"][0]["containerID"]

    for component in (
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubelet",
        "kube-proxy",
        "containerd",
        "etcd",
    ):
        components.restart(component)
    components.wait("fakegpu")

    after = cluster.get("pod", "-n", namespace, "sleeper")["status"]["containerStatuses"][0]
    assert after["containerID"] == before
    assert after["restartCount"] == 0


def test_the_official_client_reaches_the_cluster(api):
    node = client.CoreV1Api(api).read_node(Settings().node)

    assert node.status.allocatable["nvidia.com/gpu"] == str(Settings().gpus)
    assert node.status.node_info.kubelet_version == "v1.36.3"


def test_more_nodes_stand_beside_the_real_one(cluster, components, kwok, namespace, kubectl):
    names = kwok.add(20, gpus=4, labels={"row": "b"})
    container = {"name": "main", "image": "none", "resources": {"limits": {"nvidia.com/gpu": 4}}}
    wanted = {
        "replicas": 20,
        "selector": {"matchLabels": {"app": "wide"}},
        "template": {
            "metadata": {"labels": {"app": "wide"}},
            "spec": {
                "containers": [container],
                "nodeSelector": {"row": "b"},
                "tolerations": [{"key": "kwok.x-k8s.io/node", "operator": "Exists"}],
            },
        },
    }
    cluster.apply(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "wide"}, "spec": wanted},
        namespace=namespace,
    )

    kubectl("rollout", "status", "-n", namespace, "deployment/wide", "--timeout=60s", timeout_seconds=70)

    pods = cluster.get("pods", "-n", namespace, "-l", "app=wide")["items"]
    assert sorted(each["spec"]["nodeName"] for each in pods) == sorted(names)
