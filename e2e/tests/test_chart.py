"""The chart on a real API server: installed, upgraded, rolled back and uninstalled, in this order."""

import subprocess
import time
from collections.abc import Iterator

import pytest

from harness.cluster import Cluster
from harness.command import HarnessError, run, wait_until
from harness.local import Local
from harness.release import NAMESPACE, Release
from harness.stage import domain, with_plugin
from harness.world import World

NODE_LIMIT_WATTS = 700.0
DOMAIN = domain(
    "chart-row",
    4000,
    budget={"watts": 4000, "nodeOverheadWatts": 500},
    emergency={"budgetRatio": 0.75, "durationSeconds": 600},
)
GPUS_WATTS = 3500.0
"""What that leaves for the node's GPUs."""
EMERGENCY_WATTS = 2500.0
"""What its emergency leaves for them."""
RESTORE = "restore.timeoutSeconds=8"
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:wattline"


@pytest.fixture(scope="module")
def world(cluster: Cluster, images) -> Iterator[World]:
    if not isinstance(cluster.provider, Local):
        pytest.skip("the fake GPUs and their journal are the local cluster's")
    world = World(cluster, cluster.provider.settings)
    cluster.make_namespace("chart-world")
    world.start("chart-world")
    yield world
    world.stop("chart-world")
    cluster.kubectl("delete", "namespace", "chart-world", "--wait=false")


@pytest.fixture(scope="module")
def node(cluster: Cluster) -> str:
    return cluster.provider.settings.node


@pytest.fixture(scope="module")
def release(cluster: Cluster, world: World, node: str) -> Iterator[Release]:
    """The chart installed, and the node's GPUs held under a domain."""
    release = Release(cluster)
    began = time.monotonic()
    release.install(RESTORE)
    print(f"helm install, to ready: {time.monotonic() - began:.1f} s")
    cluster.kubectl("label", "node", node, "wattline.dev/managed=true", "--overwrite")
    cluster.apply(DOMAIN)
    until_held(cluster)
    yield release
    cluster.kubectl("label", "node", node, "wattline.dev/managed-")
    cluster.kubectl("delete", "pdom", "chart-row", "--ignore-not-found")
    cluster.kubectl("delete", "pnode", "--all", "--ignore-not-found")


def until_held(cluster: Cluster) -> None:
    def held() -> bool:
        conditions = cluster.get("pdom", "chart-row").get("status", {}).get("conditions", ())
        return any(each["type"] == "Enforced" and each["reason"] == "WithinBudget" for each in conditions)

    wait_until(held, "the domain to hold", timeout_seconds=60)


def refused(cluster: Cluster, *arguments: str) -> str:
    with pytest.raises(HarnessError) as error:
        cluster.kubectl(*arguments)
    return str(error.value)


def agent(cluster: Cluster) -> str:
    selector = "app.kubernetes.io/component=agent"
    (pod,) = cluster.get("pods", "-n", NAMESPACE, "-l", selector)["items"]
    return pod["metadata"]["name"]


def test_the_gpus_are_held_and_the_node_is_marked(cluster, release, world, node):
    assert sum(world.now_watts()) < 3500
    assert cluster.get("node", node)["metadata"]["labels"]["wattline.dev/held"] == "true"


def test_the_server_warns_of_nothing_but_the_agents_pod(cluster, release):
    cluster.kubectl(
        "label", "namespace", NAMESPACE, "pod-security.kubernetes.io/warn=restricted", "--overwrite"
    )
    command = [
        "kubectl",
        "apply",
        "--server-side",
        "--force-conflicts",
        "--dry-run=server",
        "--validate=strict",
    ]
    done = subprocess.run(
        [*command, "-n", NAMESPACE, "-f", "-"],
        input=release.objects("monitoring.dashboards.enabled=true"),
        env=cluster.environment,
        capture_output=True,
        text=True,
        check=True,
    )

    warnings = [line for line in done.stderr.splitlines() if line.startswith("Warning")]
    assert len(warnings) == 1, done.stderr
    assert 'container "agent"' in warnings[0]


def test_nobody_but_the_operator_writes_orders(cluster, release, node):
    said = refused(cluster, "patch", "pnode", node, "--type=merge", "-p", '{"spec":{"budgetWatts":9}}')

    assert f"the spec of PowerNode {node} is written by the operator only" in said
    cluster.kubectl("annotate", "pnode", node, "example.com/note=anybody may", "--overwrite")


@pytest.fixture
def neighbour(cluster: Cluster) -> Iterator[str]:
    """Another opted-in node, of which only the API knows."""
    labels = {"wattline.dev/managed": "true", "type": "kwok"}
    meta = {"name": "neighbour", "labels": labels}
    cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": meta})
    cluster.kubectl("wait", "--for=create", "pnode/neighbour", "--timeout=40s")
    yield "neighbour"
    cluster.kubectl("delete", "node", "neighbour")


def test_an_agent_answers_for_its_own_node_and_for_no_other(cluster, release, node, neighbour):
    patch = ("--subresource=status", "--type=merge", "-p", '{"status":{"demandWatts":1}}')
    bound = ("--bound-object-kind=Pod", f"--bound-object-name={agent(cluster)}")
    token = cluster.kubectl("create", "token", "wattline-agent", "-n", NAMESPACE, *bound).strip()
    server = "jsonpath={.clusters[0].cluster.server}"
    address = cluster.kubectl("config", "view", "--minify", "-o", server)
    as_agent = (
        "--kubeconfig=/dev/null",
        f"--server={address}",
        f"--token={token}",
        "--insecure-skip-tls-verify",
    )

    cluster.kubectl("patch", "pnode", node, *patch, *as_agent)
    said = refused(cluster, "patch", "pnode", neighbour, *patch, *as_agent)
    assert f"the status of PowerNode {neighbour} is written by the agent of that node only" in said
    assert f"not by {ACCOUNT}-agent of node {node}" in said
    assert "cannot patch resource" in refused(
        cluster, "patch", "pnode", node, "--type=merge", "-p", "{}", *as_agent
    )
    assert "is written by the agent of that node only" in refused(cluster, "patch", "pnode", node, *patch)


FOREIGN = {
    "a label of others": ("label", "node", "NODE", "example.com/a=b"),
    "the opt-in": ("label", "node", "NODE", "wattline.dev/managed-"),
    "a taint of others": ("taint", "node", "NODE", "example.com/a=b:NoSchedule"),
    "a cordon": ("patch", "node", "NODE", "-p", '{"spec":{"unschedulable":true}}'),
}


@pytest.mark.parametrize("command", FOREIGN.values(), ids=FOREIGN)
def test_of_a_node_the_operator_writes_what_is_its_own(cluster, release, node, command):
    words = [node if word == "NODE" else word for word in command]

    assert "Wattline" in refused(cluster, *words, f"--as={ACCOUNT}-operator")


def test_an_emergency_is_begun_and_ended_through_the_api_servers_proxy(cluster, release, world, node):
    program = cluster.provider.kubectl_program

    def typed(*arguments: str) -> str:
        return run([program, "wattline", "emergency", "chart-row", *arguments], env=with_plugin(cluster))

    def source() -> str:
        return cluster.get("pnode", node)["status"].get("budgetSource", "")

    assert f"{node}: in force and read back: {EMERGENCY_WATTS:.0f} W" in typed()
    assert sum(world.now_watts()) <= EMERGENCY_WATTS
    wait_until(lambda: source().startswith("Emergency: chart-row until 20"), "the status says it")
    assert f"{node}: ended" in typed("--end")
    wait_until(lambda: source() == "Order", "the order counts again")
    wait_until(lambda: sum(world.now_watts()) > EMERGENCY_WATTS, "the GPUs have their watts again")


def test_an_upgrade_and_a_rollback_let_go_of_no_gpu(cluster, release, world):
    rolled = [f"{part}.podAnnotations.rolled=yes" for part in ("operator", "gateway", "agent")]
    changes = world.changes()
    revision = int(release.history()[-1]["revision"])
    replaced = agent(cluster)
    token = cluster.get("secret", "-n", NAMESPACE, "wattline-emergency")["data"]

    release.upgrade(RESTORE, *rolled)
    until_held(cluster)
    assert agent(cluster) != replaced
    assert cluster.get("secret", "-n", NAMESPACE, "wattline-emergency")["data"] == token
    release.rollback(revision)
    until_held(cluster)

    assert [
        watts
        for watts in world.limits_watts(changes)
        if sum(watts.values()) > GPUS_WATTS or NODE_LIMIT_WATTS in watts.values()
    ] == []
    assert [each["status"] for each in release.history()][-1] == "deployed"


def test_a_node_that_keeps_silent_stops_the_uninstall_and_is_named(cluster, release, world, node):
    held = world.now_watts()
    cluster.freeze(NAMESPACE, agent(cluster), "agent")
    try:
        with pytest.raises(HarnessError, match=f"did not answer within 8 s: {node}"):
            release.uninstall()
        assert world.now_watts() == held
        assert cluster.get("pods", "-n", NAMESPACE, "-l", "app.kubernetes.io/component=agent")["items"]
        lease = cluster.get("lease", "-n", NAMESPACE, "wattline-operator")
        assert lease["spec"]["holderIdentity"].startswith("restore ")
    finally:
        cluster.thaw(NAMESPACE, agent(cluster), "agent")


def test_an_uninstall_puts_every_gpu_back_and_leaves_what_users_wrote(cluster, release, world, node):
    said = release.uninstall()

    assert world.now_watts() == [NODE_LIMIT_WATTS] * len(world.now_watts())
    assert "wattline.dev/held" not in cluster.get("node", node)["metadata"]["labels"]
    assert cluster.get("node", node)["spec"].get("taints", []) == []
    assert "powerdomains.wattline.dev" in said, "helm says what it kept"
    domain = cluster.get("pdom", "chart-row")
    enforced = next(each for each in domain["status"]["conditions"] if each["type"] == "Enforced")
    assert (enforced["status"], enforced["reason"]) == ("False", "Restored")
    assert cluster.get("pnode", node)["status"]["state"] == "Released"
    roles = cluster.get("clusterrole,validatingadmissionpolicy", "-l", "app.kubernetes.io/part-of=wattline")
    assert roles["items"] == []


def test_the_next_installation_leads_at_once_with_a_higher_epoch(cluster, release, world, node):
    before = cluster.get("pnode", node)["spec"]["epoch"]
    began = time.monotonic()

    release.install(RESTORE)
    until_held(cluster)

    print(f"helm install over what an uninstall left, until held: {time.monotonic() - began:.1f} s")
    assert cluster.get("pnode", node)["spec"]["epoch"] > before
    release.uninstall()
    assert world.now_watts() == [NODE_LIMIT_WATTS] * len(world.now_watts())
