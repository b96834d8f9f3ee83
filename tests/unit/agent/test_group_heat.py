"""A thermal tightening takes its whole group along within one pass of the safety loop, also on other nodes."""

import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.agent.rig import CLOCKS, but, replica, rig, spec

from wattline.api.powernode import GpuOrder
from wattline.controller.heat import bounded, elsewhere
from wattline.model.cluster import NodeView, PodSeen, Replica, Worker
from wattline.model.errors import GpuBlocked
from wattline_agent.status import Due, status

GROUPED = but(
    spec(2600.0, gpus=3),
    gpus=(GpuOrder(uuid="G0", group="a"), GpuOrder(uuid="G1", group="a"), GpuOrder(uuid="G2", group="b")),
    replicas=(replica(0, "G0", "G1"), replica(1, "G2")),
)
SPANNING = but(
    GROUPED,
    gpus=tuple(each.model_copy(update={"spans_nodes": each.group == "a"}) for each in GROUPED.gpus),
)


def unsynced(path, text):
    """Hundreds of renewals need no disk."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def locks(here):
    return [gpu.lock_mhz for gpu in here.device.gpus.values()]


def limits(here):
    return [gpu.limit_watts for gpu in here.device.gpus.values()]


@pytest.mark.parametrize(
    "late_seconds", [0.0, 0.2, 0.6, 0.8], ids=lambda late: f"{late} s after the last decision"
)
def test_a_tightening_takes_the_group_along_in_the_same_pass(tmp_path, late_seconds):
    here = rig(tmp_path, 3).enforced(GROUPED)
    here.run(late_seconds)
    here.device.gpus["G1"].celsius = 82.0
    here.run(0.2)

    assert locks(here) == [1875, 1875, None]


def test_an_emergency_takes_limits_and_clocks_of_the_group_to_their_least_in_the_same_pass(tmp_path):
    here = rig(tmp_path, 3).enforced(GROUPED)
    here.run(0.6)
    here.device.gpus["G1"].celsius = 86.0
    here.run(0.2)

    assert limits(here) == [200.0, 200.0, 700.0]
    assert locks(here) == [CLOCKS[0], CLOCKS[0], None]
    assert here.statuses()["G0"].reason.startswith("Heat")


def test_a_member_that_was_written_a_moment_ago_does_not_wait(tmp_path):
    here = rig(tmp_path, 3).enforced(GROUPED)
    here.order(but(GROUPED, budget_watts=1500.0), generation=2)
    here.run(0.2)
    assert limits(here)[0] < 700.0, "just written"

    here.device.gpus["G1"].celsius = 82.0
    here.run(0.2)

    assert locks(here)[:2] == [1875, 1875]


def test_a_hot_member_that_somebody_else_writes_still_takes_its_group_along(tmp_path):
    here = rig(tmp_path, 3).enforced(GROUPED)
    here.order(but(GROUPED, budget_watts=1500.0), generation=2).run(3.0)
    here.device.gpus["G1"].limit_watts = 650.0
    here.run(2.0)
    assert here.statuses()["G1"].reason.startswith("Contested")

    here.device.gpus["G1"].celsius = 82.0
    here.run(0.4)

    assert locks(here) == [1875, None, None]


def test_heat_on_another_node_binds_and_is_released_with_the_order(tmp_path):
    here = rig(tmp_path, 3).enforced(GROUPED)
    bound = tuple(
        each.model_copy(update={"heat_clock_mhz": 1200 if each.group == "a" else None})
        for each in GROUPED.gpus
    )
    here.order(but(GROUPED, gpus=bound), generation=2).run(0.4)
    assert locks(here) == [1200, 1200, None]

    here.order(GROUPED, generation=3).run(3.0)
    assert locks(here) == [None, None, None]


def test_a_node_tells_others_of_its_own_heat_and_not_of_what_it_was_told(tmp_path):
    here = rig(tmp_path, 3)
    told = tuple(each.model_copy(update={"heat_clock_mhz": 1200}) for each in SPANNING.gpus)
    here.enforced(but(SPANNING, gpus=told))
    assert {gpu.heat_clock_mhz for gpu in here.statuses().values()} == {None}

    here.device.gpus["G1"].celsius = 82.0
    here.device.gpus["G2"].celsius = 82.0
    here.run(0.2)

    mhz = {uuid: gpu.heat_clock_mhz for uuid, gpu in here.statuses().items()}
    assert mhz == {"G0": None, "G1": 1875, "G2": None}, "a group on this node alone is nobody's business"


@pytest.mark.parametrize(
    ("was", "now", "after_seconds", "want"),
    [
        pytest.param(None, 1875, 0.2, True, id="heat begins to bind: at once"),
        pytest.param(1875, 1785, 0.2, True, id="heat binds more: at once"),
        pytest.param(1785, 1830, 0.2, False, id="heat binds less: that has time"),
        pytest.param(1785, 1830, 10.0, True, id="heat binds less for ten seconds"),
        pytest.param(1785, None, 0.2, False, id="heat binds no more: that has time"),
        pytest.param(1785, None, 10.0, True, id="heat binds no more for ten seconds"),
        pytest.param(1785, 1785, 10.0, False, id="nothing new"),
    ],
)
def test_when_other_nodes_are_told(tmp_path, was, now, after_seconds, want):
    here = rig(tmp_path).enforced(spec(1000.0))
    due, first = Due(), status(here.view(), "http://a", here.at_seconds)

    def hot(mhz):
        gpus = (first.gpus[0].model_copy(update={"heat_clock_mhz": mhz}), *first.gpus[1:])
        return first.model_copy(update={"gpus": gpus})

    due.wrote(hot(was), 0.0)

    assert due.now(hot(now), after_seconds) is want


def test_the_watts_that_heat_frees_are_told(tmp_path):
    order = but(GROUPED, replicas=())
    here = rig(tmp_path, 3).enforced(order)
    assert here.view().heat_freed_watts == 0

    here.device.gpus["G1"].celsius = 82.0
    here.run(4.0)
    for uuid in ("G0", "G1"):
        here.device.gpus[uuid].watts = 220.0  # what is left of their draw at the slower clock
    here.run(4.0)

    told = status(here.view(), "", here.at_seconds)
    assert told.heat_freed_watts > 300.0
    assert told.demand_watts < 3 * 400.0


def test_after_heat_the_group_goes_up_again_step_by_step(tmp_path):
    here = rig(tmp_path, 3).enforced(GROUPED)
    here.device.gpus["G1"].celsius = 82.0
    here.run(3.2)
    low = locks(here)[0]
    here.device.gpus["G1"].celsius = 60.0
    here.run(5.0)
    one = locks(here)[0]
    here.run(5.0)

    assert low < one < locks(here)[0]
    assert locks(here)[0] == locks(here)[1]
    here.run(60.0)
    assert locks(here) == [None, None, None]


class TwoNodes:
    """One replica on two nodes, and the operator's part between their agents, a pass every two seconds."""

    def __init__(self, folder):
        self.rigs = {name: rig(folder / name, 1, boot_id=name, write=unsynced) for name in ("n1", "n2")}
        self.orders = {}
        self.bounds = []
        for name, here in self.rigs.items():
            here.device.gpus = {f"{name}-0": here.device.gpus.pop("G0")}
            order = GpuOrder(uuid=f"{name}-0", group="r", spans_nodes=True)
            self.orders[name] = but(spec(2000.0, gpus=1, replicas=()), gpus=(order,))
        self.generation = 0
        self.settle()

    def settle(self):
        """Do what a pass does of heat."""
        self.generation += 1
        views = {
            name: NodeView(name, spec=self.orders[name], status=status(here.view(), "", here.at_seconds))
            for name, here in self.rigs.items()
        }
        worker = Worker(PodSeen("a", "w", "u", "1", node="n2"), ("n2-0",))
        replica_seen = Replica("r", "n1", "http://r", ("n1-0",), workers=(worker,))
        heat_mhz = elsewhere({"a/p": (replica_seen,)}, views)
        for name, here in self.rigs.items():
            gpus = tuple(bounded(order, heat_mhz) for order in self.orders[name].gpus)
            self.orders[name] = but(self.orders[name], gpus=gpus)
            here.order(self.orders[name], generation=self.generation)

    def run(self, seconds):
        for _ in range(round(seconds / 2)):
            for here in self.rigs.values():
                here.run(2.0)
            self.settle()
        return self

    def heat(self, name, celsius):
        self.rigs[name].device.gpus[f"{name}-0"].celsius = celsius

    def locks(self):
        return [here.device.gpus[f"{name}-0"].lock_mhz or 1980 for name, here in self.rigs.items()]


def test_a_story_of_a_replica_on_two_nodes_of_which_one_gets_hot(tmp_path):
    here = TwoNodes(tmp_path).run(6)
    assert here.locks() == [1980, 1980]

    here.heat("n1", 82.0)
    here.run(4)
    first, second = here.locks()
    assert first < 1980
    assert second < 1980, "its other half came along"

    here.heat("n1", 86.0)
    here.run(4)
    assert here.locks() == [CLOCKS[0], CLOCKS[0]]

    here.heat("n1", 60.0)
    ups = [here.run(2).locks() for _ in range(75)]
    assert ups[-1] == [1980, 1980], "it is released"
    assert all(second <= first + 100 or first == 1980 for first, second in ups), "never ahead of the hot one"
    steps = [later[1] - earlier[1] for earlier, later in pairwise(ups)]
    assert max(steps[5:]) <= 150, "step by step"


def test_two_parts_that_were_both_hot_do_not_hold_each_other_back_for_ever(tmp_path):
    here = TwoNodes(tmp_path).run(6)
    for name in ("n1", "n2"):
        here.heat(name, 86.0)
    here.run(4)
    assert here.locks() == [CLOCKS[0], CLOCKS[0]]

    for name in ("n1", "n2"):
        here.heat(name, 60.0)
    here.run(150)
    assert here.locks() == [1980, 1980]


MOMENT = st.tuples(
    st.sampled_from(["G0", "G1", "G2"]),
    st.sampled_from([50.0, 76.0, 79.0, 82.0, 84.0, 86.0]),
    st.sampled_from([1, 2, 5, 12]),
    st.sampled_from([900.0, 1500.0, 2600.0]),
)


@settings(max_examples=25, deadline=None)
@given(moments=st.lists(MOMENT, max_size=8))
def test_after_every_pass_no_gpu_is_above_what_heat_allows_its_group(moments):
    with tempfile.TemporaryDirectory() as folder:
        here = rig(Path(folder), 3, write=unsynced).enforced(GROUPED, seconds=1)
        for number, (uuid, celsius, passes, budget) in enumerate(moments, 2):
            here.device.gpus[uuid].celsius = celsius
            here.order(but(GROUPED, budget_watts=budget), generation=number)
            for _ in range(passes):
                here.run(0.2)
                for group in (("G0", "G1"), ("G2",)):
                    heats = [here.governor.hands.gpus[each].heat for each in group]
                    tops = [top for heat in heats if (top := heat.clock_top_mhz(CLOCKS)) is not None]
                    for each in group:
                        gpu = here.device.gpus[each]
                        assert not tops or (gpu.lock_mhz is not None and gpu.lock_mhz <= min(tops))
                        assert gpu.limit_watts == 200.0 or not any(heat.emergency for heat in heats)


@pytest.mark.parametrize(
    ("celsius", "want_limit", "want_lock"),
    [
        pytest.param(60.0, 490.2, None, id="cool: everything stays as it was found"),
        pytest.param(
            82.0, 490.2, None, id="hot: a lock that a predecessor left is not known, so none is written"
        ),
        pytest.param(86.0, 200.0, 345, id="an emergency: no lock can be slower than the slowest clock"),
    ],
)
def test_heat_is_felt_while_nobody_can_say_what_is_ordered(tmp_path, celsius, want_limit, want_lock):
    here = rig(tmp_path).enforced(but(spec(1000.0), gpus=ORDERS_1500))
    here.start()
    here.device.gpus["G0"].lock_mhz = None  # whatever it was: NVML has no getter
    here.device.gpus["G0"].celsius = celsius
    here.run(1.0, renewing=False)

    assert here.device.gpus["G0"].limit_watts == pytest.approx(want_limit, abs=0.1)
    assert here.device.gpus["G0"].lock_mhz == want_lock
    assert here.device.gpus["G1"].limit_watts == pytest.approx(490.2, abs=0.1)
    here.device.gpus["G0"].celsius = 50.0
    here.run(60.0, renewing=False)
    assert here.device.gpus["G0"].lock_mhz == want_lock, "and nothing is loosened"


ORDERS_1500 = tuple(GpuOrder(uuid=f"G{i}", group=f"g{i}", clock_mhz_max=1500) for i in (0, 1))


def test_where_the_clock_cannot_be_locked_heat_lowers_the_limit_of_the_group(tmp_path):
    here = rig(tmp_path, 3)
    for gpu in here.device.gpus.values():
        gpu.errors["lock_clock"] = GpuBlocked("NotSupported: no locks here")
    here.enforced(GROUPED)
    here.device.gpus["G1"].celsius = 82.0
    here.run(0.2)
    here.run(3.0)

    first, second, third = limits(here)
    assert first == second < 700.0 * 0.9
    assert third == 700.0
    here.device.gpus["G1"].celsius = 60.0
    here.run(60.0)
    assert limits(here) == [700.0, 700.0, 700.0]
