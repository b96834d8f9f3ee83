"""`wattline up`, `status` and `restore` as processes on real files, with an agent's answers played by the test."""

import asyncio
import contextlib
import re
import signal
import socket
import sys
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from wattline.api.base import Metadata
from wattline.api.powerdomain import PowerDomain
from wattline.api.powernode import GpuStatus, NodeState, Outcome, PowerNode, PowerNodeStatus
from wattline.doors import state
from wattline.model.bounds import bound_watts, limit_for
from wattline.model.state import Lease, NodeAnswer
from wattline.model.wire import GpuSample, GpusView

H100 = "NVIDIA H100 80GB HBM3"
WATTLINE = Path(sys.executable).parent / "wattline"
DOMAIN = """\
apiVersion: wattline.dev/v1alpha1
kind: PowerDomain
metadata: {name: row}
spec:
  nodes: [n1]
  mode: Enforce
  budget: {watts: 1000, nodeOverheadWatts: 100}
"""
SPEED = "20"


class Agent:
    """Node n1 with two H100s: answers readings, and does what its order says when it is told to follow."""

    def __init__(self, box, address):
        self.box, self.address = box, address
        self.limits = {"g1": 700.0, "g2": 700.0}
        self.count = 0
        self.publish()

    @property
    def order(self):
        return state.read(self.box / "state/powernodes/n1.yaml", PowerNode)

    def publish(self, generation=0, epoch=0, node_state=NodeState.OBSERVING):
        gpus = tuple(
            GpuStatus(
                uuid=uuid, product=H100, min_watts=200, max_watts=700, default_watts=700, previous_watts=700,
                enforced_watts=limit, bound_watts=bound_watts(H100, limit, 700), outcome=Outcome.APPLIED,
            )
            for uuid, limit in self.limits.items()
        )  # fmt: skip
        status = PowerNodeStatus(
            observed_generation=generation,
            epoch=epoch,
            boot_id="b",
            address=self.address,
            state=node_state,
            bound_watts=sum(gpu.bound_watts for gpu in gpus),
            gpus=gpus,
        )
        answer = NodeAnswer(metadata=Metadata(name="n1"), status=status)
        state.write(self.box / "state/powernodes/n1.status.yaml", answer)

    def follow(self):
        order = self.order
        if order is None:
            return
        limit = 700.0 if order.spec.release else limit_for(H100, order.spec.budget_watts / 2)
        self.limits = dict.fromkeys(self.limits, limit)
        state_now = NodeState.RELEASED if order.spec.release else NodeState.ENFORCING
        self.publish(order.metadata.generation, order.spec.epoch, state_now)

    async def gpus(self, _):
        self.count += 1
        samples = tuple(
            GpuSample(
                uuid=uuid, product=H100, energy_joules=0, watts=300, limit_watts=limit, clock_mhz=1980, celsius=50,
                margin_celsius=30,
            )
            for uuid, limit in self.limits.items()
        )  # fmt: skip
        view = GpusView(node="n1", boot_id="b", at_seconds=self.count, gpus=samples)
        return web.json_response(text=view.model_dump_json(by_alias=True))


@pytest.fixture
def box(tmp_path):
    (tmp_path / "fleet").mkdir()
    (tmp_path / "fleet" / "row.yaml").write_text(DOMAIN)
    return tmp_path


@pytest.fixture
async def agent(box):
    app = web.Application()
    made = []

    async def gpus(request):
        return await made[0].gpus(request)

    app.router.add_get("/v1/gpus", gpus)
    async with TestServer(app) as server:
        made.append(Agent(box, str(server.make_url("")).rstrip("/")))
        yield made[0]


@contextlib.asynccontextmanager
async def running(box, *more):
    process = await start(box, *more)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def start(box, *more):
    return await asyncio.create_subprocess_exec(
        WATTLINE, "up", box / "fleet", "--state", box / "state", "--speed", SPEED, *more,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def command(*words):
    process = await asyncio.create_subprocess_exec(
        WATTLINE, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def until(holds, what):
    for _ in range(400):
        if holds():
            return
        await asyncio.sleep(0.025)
    pytest.fail(f"waited 10 s: {what}")


async def line(process, pattern):
    """Return the first line of the log that matches."""
    async with asyncio.timeout(10):
        while True:
            text = (await process.stderr.readline()).decode()
            assert text, f"ended without a line like {pattern}"
            if re.search(pattern, text):
                return text


def enforced(box):
    path = box / "state/powerdomains/row.status.yaml"
    domain = state.read(path, PowerDomain)
    if domain is None:
        return None
    return next(c for c in domain.status.conditions if c.type == "Enforced")


async def hold(box, agent):
    """Follow orders until the domain holds."""

    def holds():
        agent.follow()
        now = enforced(box)
        return now is not None and now.status == "True"

    await until(holds, "the domain to hold")


async def test_a_box_comes_under_its_budget_and_stays_there_when_the_loop_is_stopped(box, agent):
    async with running(box) as process:
        await until(lambda: agent.order, "an order")
        assert enforced(box).reason == "EnforceStarting"
        await hold(box, agent)
        renewals = state.read(box / "state/leases/row.yaml", Lease).renewals
        await until(lambda: state.read(box / "state/leases/row.yaml", Lease).renewals > renewals, "a renewal")
        before = {path: path.read_bytes() for path in (box / "state/powernodes").iterdir()}

        process.send_signal(signal.SIGTERM)
        await process.communicate()

    assert process.returncode == 0
    assert agent.order.spec.budget_watts == pytest.approx(900)
    assert {path: path.read_bytes() for path in (box / "state/powernodes").iterdir()} == before
    code, out, _ = await command("status", "--state", str(box / "state"))
    assert code == 0
    assert re.search(r"^row +Enforce +1000 +1000 +600 +0 +WithinBudget", out, re.MULTILINE)
    assert re.search(r"^n1 +Enforcing +900 +900 ", out, re.MULTILINE)


async def test_a_change_of_the_manifests_is_taken_up_at_once(box, agent):
    async with running(box):
        await hold(box, agent)

        (box / "fleet/row.yaml").write_text(DOMAIN.replace("1000", "800"))

        await until(lambda: agent.order.spec.budget_watts == pytest.approx(700), "the lower budget")
        await hold(box, agent)


async def test_bad_manifests_are_all_said_and_nothing_is_started(box):
    (box / "fleet/row.yaml").write_text(DOMAIN.replace("1000", "1kW").replace("mode", "mod"))

    code, _, err = await command("up", str(box / "fleet"), "--state", str(box / "state"))

    assert code == 1
    assert "row.yaml:6: spec.mod: unknown field, did you mean mode?" in err
    assert 'row.yaml:7: spec.budget.watts: found "1kW", expected watts as a number' in err
    assert not (box / "state").exists()


async def test_manifests_that_break_later_leave_the_last_orders_and_are_said_once(box, agent):
    async with running(box) as process:
        await hold(box, agent)
        before = agent.order
        (box / "fleet/row.yaml").write_text(DOMAIN.replace("1000", "lots"))

        await line(process, "pass abandoned, the last orders stand until their leases end")
        renewals = state.read(box / "state/leases/row.yaml", Lease).renewals
        await asyncio.sleep(2)  # 40 s of the loop's time: two passes more
        assert agent.order == before
        assert state.read(box / "state/leases/row.yaml", Lease).renewals == renewals

        (box / "fleet/row.yaml").write_text(DOMAIN)
        rest = await line(process, "pass abandoned|passes go on")
        assert "passes go on" in rest, "the same cause is said once"


async def test_a_second_up_on_the_same_state_is_refused_and_changes_nothing(box, agent):
    async with running(box) as process:
        await hold(box, agent)
        before = (box / "state/epoch").read_text()

        code, _, err = await command("up", str(box / "fleet"), "--state", str(box / "state"))

        assert code == 1
        assert f"is in use by the process with pid {process.pid}; stop it, or choose another --state" in err
        assert (box / "state/epoch").read_text() == before
        assert process.returncode is None


async def test_a_loop_that_was_killed_is_followed_by_one_with_the_next_epoch(box, agent):
    async with running(box) as process:
        await hold(box, agent)
        process.kill()
        await process.communicate()
    async with running(box):
        await until(lambda: agent.order.spec.epoch == 2, "the next epoch")
        await hold(box, agent)

    assert agent.order.spec.budget_watts == pytest.approx(900)


async def test_a_port_in_use_is_said(box):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = await start(box, "--listen", f"127.0.0.1:{port}")
        _, err = await process.communicate()

    assert process.returncode == 1
    assert re.search(rf"Error: cannot listen on 127.0.0.1:{port}: .*; choose another --listen", err.decode())


async def test_metrics_and_health_are_served(box, agent):
    async with running(box, "--listen", "127.0.0.1:0") as process, aiohttp.ClientSession() as session:
        address = re.search(r"http://[\d.:]+", await line(process, "metrics at"))[0]
        await hold(box, agent)
        async with session.get(f"{address}/metrics") as response:
            text = await response.text()
        async with session.get(f"{address}/healthz") as response:
            assert (response.status, await response.text()) == (200, "ok\n")

    assert 'wattline_domain_budget_watts{domain="row"} 1000.0' in text
    assert 'wattline_node_draw_watts{node="n1"} 600.0' in text
    assert 'wattline_node_agent_up{node="n1"} 1.0' in text
    assert re.search(r'wattline_node_grant_watts\{node="n1",reason="\w+"\} 900', text)
    assert '_condition{domain="row",reason="' in text


async def test_restore_puts_back_and_names_who_did_not_answer(box, agent):
    async with running(box):
        await hold(box, agent)
        code, _, err = await command("restore", "--state", str(box / "state"))
        assert (code, "is in use by the process" in err) == (1, True), "the loop would take the node back"

    code, _, err = await command("restore", "--state", str(box / "state"), "--speed", SPEED, "--timeout", "5")
    assert (code, "did not answer within 5 s: n1" in err) == (1, True)
    assert (enforced(box).status, enforced(box).reason) == ("False", "Restored")

    restoring = asyncio.create_task(command("restore", "--state", str(box / "state"), "--speed", SPEED))
    await until(lambda: agent.order.spec.release and agent.order.spec.epoch == 3, "the order to release")
    agent.follow()
    code, out, _ = await restoring
    assert (code, out) == (0, "n1: put back\n")
    assert agent.limits == {"g1": 700.0, "g2": 700.0}
