"""Parts die, hang, wake up late or are away; the GPUs stay inside their budget, and everything is well again."""

import json
import time
import urllib.request
from collections.abc import Iterator

import pytest

from harness.cluster import Components
from harness.command import wait_until
from harness.judge import Judge
from harness.metrics import told_by
from harness.operators import Operators, pod_of
from harness.release import NAMESPACE
from harness.replay import Traffic, played_beside, runs
from harness.site import BESIDE_WATTS, Site, budget
from harness.stage import MODEL, Installed, stage
from harness.watch import Heard, Watch, now

ROW = "faults-row"
ROW_WATTS = 3400.0
ROOM_WATTS = 6500.0
"""Enough for every GPU as it was before."""


@pytest.fixture(scope="module")
def site(wattline: Installed, components: Components) -> Iterator[Site]:
    with stage(wattline, "faults") as made:
        site = Site(made)
        site.domain(ROW, ROW_WATTS)
        site.pool("coder", 2)
        site.until_served("coder", 2)
        yield site


@pytest.fixture(scope="module")
def judge(site: Site) -> Iterator[Judge]:
    with Watch(site.cluster, "pdom") as domains:
        yield Judge(domains, site.world)


@pytest.fixture(scope="module", autouse=True)
def traffic(site: Site) -> Iterator[Traffic]:
    """Agents are at work all along, so that there is always somebody who could use more watts."""
    traffic = Traffic(site.stage.gateway, MODEL)
    with played_beside(traffic, runs(24, seed=7, within_seconds=240)):
        yield traffic


@pytest.fixture(autouse=True)
def well_before_and_after(site: Site, judge: Judge) -> Iterator[None]:
    """Every test begins and ends with a domain that holds, and with nobody having said so in vain."""
    site.until_held(ROW)
    began = now()
    yield
    site.until_held(ROW, seconds=90)
    assert judge.broken() == []
    assert judge.epochs_in_order()
    print(f"{now() - began:.0f} s")


def leader(site: Site) -> str:
    """Return who leads, by the name it gave itself."""
    return Operators(site.cluster).holder()


def epoch(site: Site) -> int:
    return int(site.order()["spec"]["epoch"])


def until_led_by_another(site: Site, before: str, epoch_before: int) -> str:
    """Return who leads now, once its epoch has reached the node's order."""
    wait_until(
        lambda: leader(site) not in {"", before} and epoch(site) > epoch_before,
        f"somebody else than {before} leads",
        timeout_seconds=40,
        every_seconds=0.3,
    )
    return leader(site)


def within_budget(judge: Judge, since_seconds: float) -> bool:
    """Whether the GPUs could not draw more than the row's budget leaves them, at no moment since."""
    return judge.most_watts(since_seconds) <= ROW_WATTS - BESIDE_WATTS


def test_a_leader_that_is_killed_is_followed_by_one_with_a_higher_epoch(site: Site, judge: Judge) -> None:
    began, before, epoch_before = now(), leader(site), epoch(site)
    site.cluster.kill_container(NAMESPACE, pod_of(before), "operator")

    until_led_by_another(site, before, epoch_before)
    print(f"led again after {now() - began:.1f} s")

    site.until_held(ROW)
    assert within_budget(judge, began)


def test_a_leader_that_wakes_up_late_writes_nothing_any_more(site: Site, judge: Judge) -> None:
    cluster, before, epoch_before = site.cluster, leader(site), epoch(site)
    with Watch(cluster, "pnode") as orders, Watch(cluster, "lease", "-n", NAMESPACE) as leases:
        cluster.freeze(NAMESPACE, pod_of(before), "operator")
        try:
            until_led_by_another(site, before, epoch_before)
            site.change("pdom", ROW, budget=budget(ROW_WATTS - 600))
            site.until_held(ROW)
            awake = now()
        finally:
            cluster.thaw(NAMESPACE, pod_of(before), "operator")
        site.change("pdom", ROW, budget=budget(ROW_WATTS))
        site.until_held(ROW)
        wait_until(lambda: not leads(site, pod_of(before)), "the one that woke up stands by")
        time.sleep(8)

    assert [each for each in heard_after(leases, awake) if held_by(each) == before] == []
    told = [each.object["spec"]["epoch"] for each in orders.heard if each.type in {"ADDED", "MODIFIED"}]
    assert told == sorted(told)
    assert {each.object["spec"]["epoch"] for each in heard_after(orders, awake)} == {epoch(site)}


def heard_after(watch: Watch, at_seconds: float) -> list[Heard]:
    return [each for each in watch.heard if each.at_seconds >= at_seconds and each.type == "MODIFIED"]


def held_by(lease: Heard) -> str:
    return str(lease.object["spec"].get("holderIdentity", ""))


def leads(site: Site, pod: str) -> bool:
    told = told_by(site.cluster.get("pod", pod, "-n", NAMESPACE))
    return told["wattline_operator_leading", frozenset()] == 1


def test_an_agent_that_is_killed_leaves_every_limit_and_its_next_takes_them_over(
    site: Site, judge: Judge
) -> None:
    (agent,) = site.pods("agent")
    name, began = agent["metadata"]["name"], now()
    site.cluster.kill_container(NAMESPACE, name, "agent")
    held = site.world.now_watts()  # until it was dead it divided the budget anew every second
    time.sleep(0.3)
    assert site.world.now_watts() == held

    def again() -> bool:
        status = site.cluster.get("pod", name, "-n", NAMESPACE)["status"]["containerStatuses"][0]
        return bool(status["restartCount"] and status["ready"])

    wait_until(again, "the agent is there again", timeout_seconds=40, every_seconds=0.5)
    until_state(site, "Enforcing")
    print(f"enforcing again after {now() - began:.1f} s")

    assert within_budget(judge, began)


def until_state(site: Site, state: str) -> None:
    wait_until(
        lambda: site.order().get("status", {}).get("state") == state,
        f"the agent is {state}",
        timeout_seconds=60,
        every_seconds=0.5,
    )


def test_a_kubelet_that_restarts_changes_nothing(site: Site, judge: Judge) -> None:
    began, before, pods = now(), site.gpus("coder"), engines(site)

    site.cluster.restart("kubelet")
    time.sleep(5)
    site.until_served("coder", 2)

    assert site.gpus("coder") == before
    assert engines(site) == pods
    assert within_budget(judge, began)


def engines(site: Site) -> dict[str, tuple[str, int]]:
    """Return the pods of the pool, each with its identity and how often it was started anew."""
    pods = site.cluster.get("pods", "-n", site.stage.namespace, "-l", "wattline.dev/pool=coder")["items"]
    return {
        pod["metadata"]["name"]: (
            pod["metadata"]["uid"],
            sum(each["restartCount"] for each in pod["status"]["containerStatuses"]),
        )
        for pod in pods
    }


def test_without_an_operator_a_pool_and_its_namespace_are_deleted_and_gpus_stay_as_ordered(
    site: Site, judge: Judge
) -> None:
    kubectl, doomed = site.cluster.kubectl, f"{site.stage.namespace}-doomed"
    asked = now()
    site.cluster.make_namespace(doomed)
    for name in ("first", "second"):
        site.pool(name, 1, namespace=doomed)
    for name in ("first", "second"):
        site.until_served(name, 1, namespace=doomed)
    site.until_held(ROW)
    print(f"two more pools are served after {now() - asked:.1f} s")
    before, epoch_before = leader(site), epoch(site)
    with Operators(site.cluster).away():
        began = now()
        kubectl("delete", "wpool", "first", "-n", doomed, "--timeout=10s")
        wait_until(
            lambda: "first" not in kubectl("get", "deploy,pods", "-n", doomed, "-o", "name"),
            "what the pool had made is gone",
            timeout_seconds=40,
        )
        kubectl("delete", "namespace", doomed, "--timeout=50s")
        print(f"both are deleted after {now() - began:.1f} s")

        assert within_budget(judge, began)
        back = now()
    until_led_by_another(site, before, epoch_before)
    site.until_held(ROW, seconds=90)
    print(f"held {now() - back:.1f} s after operators were asked for again")
    assert within_budget(judge, began)


def test_a_node_that_opts_out_gets_its_limits_back_once_the_budget_has_room(site: Site, judge: Judge) -> None:
    began = now()
    site.opt_out()
    wait_until(
        lambda: "ReleaseWaitsForWatts" in reasons(site),
        "the row says what the release waits for",
        timeout_seconds=40,
    )
    assert within_budget(judge, began)

    site.change("pdom", ROW, budget=budget(ROOM_WATTS))
    site.cluster.kubectl("wait", "--for=delete", f"pnode/{site.node}", "--timeout=60s", timeout_seconds=70)

    assert set(site.world.now_watts()) == {700.0}, (
        "what was there before us, also for an agent that was killed"
    )
    node = site.cluster.get("node", site.node)
    wait_until(
        lambda: "wattline.dev/held" not in site.cluster.get("node", site.node)["metadata"]["labels"],
        "the node is not held",
    )
    assert [taint for taint in node["spec"].get("taints", ()) if "wattline" in taint["key"]] == []
    wait_until(lambda: site.pods("agent") == [], "no agent is there any more", timeout_seconds=60)
    print(f"released after {now() - began:.1f} s")
    site.change("pdom", ROW, budget=budget(ROW_WATTS))
    site.opt_in()
    site.until_served("coder", 2)


def reasons(site: Site) -> set[str]:
    return {each["reason"] for each in site.cluster.get("pdom", ROW)["status"]["conditions"]}


def test_an_api_server_that_is_away_longer_than_an_order_lives_loosens_nothing(
    site: Site, judge: Judge, components: Components, traffic: Traffic
) -> None:
    (agent,) = site.pods("agent")
    address = agent["status"]["podIP"]
    components.kill("kube-apiserver")
    began = now()
    try:
        wait_until(
            lambda: state_by_itself(address) == "Failsafe",
            "the agent knows that nobody renews its order",
            timeout_seconds=90,
            every_seconds=0.5,
        )
        failsafe, turns = now(), traffic.turns
        print(f"failsafe after {failsafe - began:.1f} s")
        time.sleep(8)
        assert traffic.turns > turns, "agents are answered all the same"
    finally:
        back = now()
        components.resume("kube-apiserver")

    site.until_held(ROW, seconds=90)
    until_state(site, "Enforcing")
    print(f"all well {now() - back:.1f} s after the server began to start")
    assert judge.raised(failsafe, back) == []
    assert within_budget(judge, began)
    # they would rest for up to a minute before they look again; new pods wait half a minute all the same, which is why no
    # test that makes any comes after this one
    for name in ("kube-controller-manager", "kube-scheduler"):
        components.restart(name)


def state_by_itself(address: str) -> str:
    """Return what an agent says of itself, without the API server."""
    with urllib.request.urlopen(f"http://{address}:9808/healthz", timeout=5) as answer:
        return str(json.load(answer)["state"])


def test_no_turn_of_an_agent_was_lost_meanwhile(traffic: Traffic) -> None:
    no_way_in = [why for _, why in traffic.unreached if why.startswith("ClientConnectorError")]
    print(
        f"{traffic.turns} turns; {len(no_way_in)} calls found the Service without its one gateway, and came again"
    )

    assert traffic.turns >= 100
    assert traffic.failures == []
    assert traffic.refused == []
    assert len(no_way_in) == len(traffic.unreached), "what the gateway took is answered"
    assert len(no_way_in) <= 3, (
        "a kubelet that restarts takes the pod out of the Service for a moment, no longer"
    )
