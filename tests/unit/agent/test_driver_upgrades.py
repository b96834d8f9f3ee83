"""What the labels of a node say of its driver, and who may take the agent's hands off it."""

import asyncio

import pytest
from tests.fakes.apiserver import FakeApiServer
from tests.unit.agent.test_orders_kube import CLOCK

from wattline.doors.kube.access import Access
from wattline.doors.kube.client import Kube, session
from wattline_agent.driver_upgrades import DEPLOY, STATE, DriverUpgrades, kept, pausing, upgrading
from wattline_agent.orders_kube import MANAGER
from wattline_agent.pauses import GPU_OPERATOR, PERSON, Pauses
from wattline_agent.pausing import pause, resume

PLUGIN = f"{DEPLOY}device-plugin"


def node(**labels: str) -> dict:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "labels": labels}}


@pytest.mark.parametrize(
    ("labels", "pauses", "waits"),
    [
        pytest.param({}, False, False, id="a node without the operator"),
        pytest.param({PLUGIN: "true", STATE: "upgrade-done"}, False, False, id="a node in service"),
        pytest.param({PLUGIN: "false"}, False, False, id="a part that is not deployed"),
        pytest.param({f"{DEPLOY}driver": "pre-installed"}, False, False, id="a driver of the host's own"),
        pytest.param(
            {PLUGIN: "paused-for-driver-upgrade"}, True, False, id="the driver is about to be unloaded"
        ),
        pytest.param(
            {PLUGIN: "custom_paused-for-driver-upgrade"}, True, False, id="a value of somebody's own, paused"
        ),
        pytest.param(
            {PLUGIN: "paused-for-mig-change"}, True, False, id="the GPUs are about to be partitioned"
        ),
        pytest.param(
            {f"{DEPLOY}client": "paused-for-driver-upgrade"}, True, False, id="the label for other clients"
        ),
        pytest.param(
            {PLUGIN: "true", STATE: "upgrade-required"}, False, False, id="an upgrade that has not begun"
        ),
        pytest.param(
            {PLUGIN: "true", STATE: "cordon-required"}, False, True, id="the node is about to be cordoned"
        ),
        pytest.param(
            {PLUGIN: "true", STATE: "drain-required"}, False, True, id="workloads are still computing"
        ),
        pytest.param(
            {PLUGIN: "true", STATE: "pod-restart-required"}, False, True, id="the new driver is being loaded"
        ),
        pytest.param({PLUGIN: "true", STATE: "upgrade-failed"}, False, False, id="an upgrade that failed"),
        pytest.param(
            {"example.com/x": "paused-for-driver-upgrade"}, False, False, id="somebody else's label"
        ),
    ],
)
def test_labels_say_who_the_driver_is_for(labels, pauses, waits):
    found = kept(node(**labels))

    assert bool(pausing(found)) is pauses
    assert bool(upgrading(found)) is waits
    for said in (pausing(found), upgrading(found)):
        assert said in {"", f"DriverUpgrade: {said.removeprefix('DriverUpgrade: ')}"}


async def test_a_watch_of_the_node_begins_and_ends_the_operators_pause_and_no_other(tmp_path):
    pauses = Pauses(tmp_path, "n1")
    pauses.ask(PERSON, "Paused: by hand")
    async with FakeApiServer() as server, session(Access(server.url), MANAGER) as http:
        server.put(node(**{PLUGIN: "true"}))
        upgrades = DriverUpgrades(Kube(http, Access(server.url), manager=MANAGER), "n1", pauses, CLOCK)
        task = asyncio.create_task(upgrades.follow())
        async with asyncio.timeout(20):
            server.put(node(**{PLUGIN: "paused-for-driver-upgrade", STATE: "pod-restart-required"}))
            while "DriverUpgrade" not in pauses.reason():
                await asyncio.sleep(0.02)
            assert upgrades.upgrading() == f"DriverUpgrade: {STATE} is pod-restart-required"
            server.put(node(**{PLUGIN: "true"}))
            while "DriverUpgrade" in pauses.reason():
                await asyncio.sleep(0.02)
        task.cancel()

    assert pauses.reason() == "Paused: by hand"


async def test_where_the_labels_may_not_be_read_nothing_pauses_and_it_is_said_once(tmp_path, caplog):
    pauses = Pauses(tmp_path, "n1")
    async with FakeApiServer() as server, session(Access(server.url), MANAGER) as http:
        server.refuse(403, path="/api/v1/nodes", times=1000)
        upgrades = DriverUpgrades(Kube(http, Access(server.url), manager=MANAGER), "n1", pauses, CLOCK)
        task = asyncio.create_task(upgrades.follow())
        async with asyncio.timeout(20):
            while not caplog.messages:
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.2)
        task.cancel()

    assert pauses.reason() == ""
    assert sum("labels of node n1 are not known" in line for line in caplog.messages) == 1


def test_every_asker_has_to_end_its_pause(tmp_path):
    pauses = Pauses(tmp_path, "n/1")
    pauses.ask(PERSON, "Paused: by hand")
    pauses.ask(GPU_OPERATOR, "DriverUpgrade: x")

    assert pauses.reason() == "DriverUpgrade: x; Paused: by hand"
    assert pauses.end(PERSON)
    assert not pauses.end(PERSON)
    assert Pauses(tmp_path, "n/1").reason() == "DriverUpgrade: x"
    assert Pauses(tmp_path, "n2").reason() == ""


async def test_a_person_waits_until_the_driver_is_let_go(tmp_path):
    pauses, said = Pauses(tmp_path, "n1"), []

    assert await pause(pauses, "new fans", 0.2, CLOCK, say=said.append) == 1
    assert "the pause stands" in said[-1]
    pauses.note(let_go=True)
    assert await pause(pauses, "new fans", 5, CLOCK, say=said.append) == 0
    assert pauses.reason() == "Paused: new fans"
    pauses.ask(GPU_OPERATOR, "DriverUpgrade: x")
    assert resume(pauses, say=said.append) == 1
    assert said[-1] == "the driver is still left alone: DriverUpgrade: x"
    pauses.end(GPU_OPERATOR)
    assert resume(pauses, say=said.append) == 0
    assert said[-1] == "nobody had paused this node's agent"


async def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "nodes").write_text("a file where the folder should be")
    said = []

    assert await pause(Pauses(tmp_path, "n1"), "x", 1, CLOCK, say=said.append) == 3
    assert "cannot be asked" in said[0]
