"""Objects as files: replaced whole, counted, locked, watched."""

import asyncio
import os
import re

import pytest
import yaml

from wattline.api.base import Metadata
from wattline.api.powernode import LeaseRef, PowerNode, PowerNodeSpec, PowerNodeStatus
from wattline.controller.decide import decide
from wattline.doors import state
from wattline.doors.clock import LoopClock
from wattline.doors.files import FilesCluster, watch
from wattline.model.errors import ClusterError
from wattline.model.state import Lease, NodeAnswer

MANIFEST = """\
apiVersion: wattline.dev/v1alpha1
kind: PowerDomain
metadata: {name: row}
spec: {nodes: [n1], budget: {watts: 1000}}
---
apiVersion: wattline.dev/v1alpha1
kind: InferencePool
metadata: {name: coder, namespace: agents}
spec:
  model: m
  endpoints: [{name: a, url: "http://127.0.0.1:1", node: n1, gpus: [g1]}]
"""


@pytest.fixture
def box(tmp_path):
    (tmp_path / "fleet").mkdir()
    (tmp_path / "fleet" / "fleet.yaml").write_text(MANIFEST)
    return tmp_path


def cluster(box, epoch=1):
    return FilesCluster([box / "fleet"], box / "state", epoch=epoch, new_uid=lambda: "uid")


def order(watts=500.0):
    return PowerNodeSpec(
        lease=LeaseRef(name="row"), budget_watts=watts, highest_sent_watts=watts, failsafe_watts=watts
    )


async def settle(files):
    """See, and report something about everything that was seen."""
    view = await files.snapshot()
    decisions = decide(view, "2026-01-01T00:00:00Z")
    await files.report(decisions.domains, decisions.pools, decisions.workflows)
    return view


async def test_an_order_counts_its_changes_and_is_not_written_again_for_nothing(box):
    files, path = cluster(box), box / "state" / "powernodes" / "n1.yaml"

    assert [await files.order("n1", order(w)) for w in (500, 500, 400)] == [True, False, True]

    written = PowerNode.model_validate(yaml.safe_load(path.read_text()))
    assert (written.metadata.generation, written.metadata.uid, written.spec) == (2, "uid", order(400))
    assert [p.name for p in path.parent.iterdir()] == ["n1.yaml"], "no half-written file is left"


async def test_a_snapshot_holds_orders_and_answers(box):
    files = cluster(box)
    await files.order("n1", order())
    answer = NodeAnswer(metadata=Metadata(name="n2"), status=PowerNodeStatus(boot_id="b"))
    state.write(box / "state" / "powernodes" / "n2.status.yaml", answer)

    view = await files.snapshot()

    assert list(view.nodes) == ["n1", "n2"]
    assert (view.nodes["n1"].spec, view.nodes["n1"].generation, view.nodes["n1"].status) == (order(), 1, None)
    assert view.nodes["n2"].status.boot_id == "b"


async def test_statuses_stand_in_the_state_folder_and_never_beside_the_manifests(box):
    before = (box / "fleet" / "fleet.yaml").read_bytes()

    await settle(cluster(box))

    assert [p.name for p in (box / "fleet").iterdir()] == ["fleet.yaml"]
    assert (box / "fleet" / "fleet.yaml").read_bytes() == before
    assert (box / "state/powerdomains/row.status.yaml").is_file()
    assert (box / "state/inferencepools/agents/coder.status.yaml").is_file()


async def test_a_changed_spec_has_the_next_generation_also_for_the_next_process(box):
    assert (await settle(cluster(box))).fleet.domains[0].metadata.generation == 1
    assert (await settle(cluster(box))).fleet.domains[0].metadata.generation == 1

    (box / "fleet" / "fleet.yaml").write_text(MANIFEST.replace("1000", "900"))
    view = await settle(cluster(box))

    assert view.fleet.domains[0].metadata.generation == 2
    assert view.domains["row"].observed_generation == 1


async def test_the_status_of_an_object_that_is_gone_goes_too(box):
    files = cluster(box)
    await settle(files)

    (box / "fleet" / "fleet.yaml").write_text(MANIFEST.partition("---")[0])
    await settle(files)

    assert list((box / "state/inferencepools").rglob("*.yaml")) == []


async def test_each_renewal_of_a_lease_changes_it(box):
    for epoch in (1, 2):
        await cluster(box, epoch).renew("row")

    lease = state.read(box / "state/leases/row.yaml", Lease)
    assert (lease.renewals, lease.epoch) == (2, 2)


@pytest.mark.parametrize(
    ("path", "text", "says"),
    [
        pytest.param("fleet/fleet.yaml", "kind: [", "the manifests have problems", id="a manifest is broken"),
        pytest.param("state/powernodes/n1.yaml", "spec: {}", "not a PowerNode", id="an order is broken"),
        pytest.param("state/powernodes/n1.status.yaml", "]", "not a NodeAnswer", id="an answer is broken"),
        pytest.param("state/powerdomains/row.status.yaml", "1", "not a PowerDomain", id="a status is broken"),
    ],
)
async def test_nothing_is_seen_unless_everything_can_be(box, path, text, says):
    (box / path).parent.mkdir(parents=True, exist_ok=True)
    (box / path).write_text(text)

    with pytest.raises(ClusterError, match=says) as caught:
        await cluster(box).snapshot()
    assert str(box / path) in str(caught.value)


async def test_a_write_that_fails_leaves_the_old_file(box, monkeypatch):
    files = cluster(box)
    await files.order("n1", order())
    monkeypatch.setattr(os, "fsync", _no_space)

    with pytest.raises(ClusterError, match=re.escape("n1.yaml: cannot be written: No space left on device")):
        await files.order("n1", order(400))

    assert (await files.snapshot()).nodes["n1"].spec == order()
    assert [p.name for p in (box / "state/powernodes").iterdir()] == ["n1.yaml"]


def _no_space(_):
    raise OSError(28, "No space left on device")


def test_a_state_folder_has_one_holder(tmp_path):
    with (
        state.locked(tmp_path),
        pytest.raises(
            ClusterError, match=f"in use by the process with pid {os.getpid()}; stop it, or choose"
        ),
        state.locked(tmp_path),
    ):
        pass
    with state.locked(tmp_path):
        pass


def test_leaders_are_counted_over_restarts(tmp_path):
    assert [state.next_epoch(tmp_path) for _ in range(3)] == [1, 2, 3]

    (tmp_path / "epoch").write_text("many")
    with pytest.raises(ClusterError, match="no count of leaders in it"):
        state.next_epoch(tmp_path)


@pytest.mark.parametrize(
    ("change", "nudged"),
    [
        pytest.param(lambda box: (box / "fleet" / "new.yaml").write_text("a"), True, id="a new manifest"),
        pytest.param(
            lambda box: (box / "fleet" / "fleet.yaml").write_text("a"), True, id="a changed manifest"
        ),
        pytest.param(lambda box: (box / "fleet" / "fleet.yaml").unlink(), True, id="a manifest less"),
        pytest.param(
            lambda box: (box / "state/powernodes/n1.status.yaml").write_text("a"), True, id="an answer"
        ),
        pytest.param(
            lambda box: (box / "state/powernodes/n1.yaml").write_text("a"), False, id="our own order"
        ),
        pytest.param(lambda box: None, False, id="nothing"),
    ],
)
@pytest.mark.looptime
async def test_a_change_wakes_the_loop(box, change, nudged):
    (box / "state/powernodes").mkdir(parents=True)
    nudge = asyncio.Event()
    watching = asyncio.create_task(watch([box / "fleet"], box / "state", LoopClock(), nudge))
    await asyncio.sleep(1)
    assert not nudge.is_set()

    change(box)
    await asyncio.sleep(1)

    assert nudge.is_set() is nudged
    watching.cancel()


async def test_a_workflow_of_agents_elsewhere_has_a_status_too(box):
    (box / "fleet" / "night.yaml").write_text(
        "apiVersion: wattline.dev/v1alpha1\nkind: AgentWorkflow\nmetadata: {name: night, namespace: agents}\n"
        "spec: {trigger: External}\n"
    )
    await settle(cluster(box))

    written = yaml.safe_load((box / "state" / "agentworkflows" / "agents" / "night.status.yaml").read_text())
    assert written["status"]["reason"] == "AgentsElsewhere"
    assert [each["reason"] for each in written["status"]["conditions"]] == ["Valid"]
    (box / "fleet" / "night.yaml").unlink()
    await settle(cluster(box))
    assert not list((box / "state" / "agentworkflows").rglob("*.yaml"))
