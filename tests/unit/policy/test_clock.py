"""The clock of a replica: cheapest that keeps agents fast, learnt from what the replica shows."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattline.api.powernode import ReplicaOrder
from wattline.policy.clock import ClockBounds, ClockSeen, ClockState, Why, decide

SPEC = ReplicaOrder(
    pool="coder", name="r0", url="http://127.0.0.1:8000", gpus=("GPU-0",), tokens_per_second_per_agent_p5=20
)
CLOCKS = tuple(range(345, 1681, 15))
BOUNDS = ClockBounds(CLOCKS)


class Plant:
    """A replica of a few lines: steps of ``memory`` or ``compute`` seconds, whichever is longer, and a power curve."""

    def __init__(self, *, memory=0.007, compute=0.005, agents=3, slowest=0.7, resident=0.1, waiting=0):
        self.memory, self.compute, self.agents = memory, compute, agents
        self.slowest, self.resident, self.waiting = slowest, resident, waiting
        self.state = ClockState()
        self.clock, self.now, self.generated, self.prompt = CLOCKS[-1], 0.0, 0.0, 0.0
        self.asked, self.whys = [], []

    def rate(self, clock):
        return 1.0 / max(self.memory, self.compute * CLOCKS[-1] / clock)

    def watts(self, clock):
        return 80 + 60 * (clock / CLOCKS[-1]) + 110 * (clock / CLOCKS[-1]) ** 3 if self.agents else 50

    def second(self, **changes):
        self.now += 1
        self.generated += self.agents * self.rate(self.clock)
        self.prompt += 200 * bool(self.agents)
        seen = ClockSeen(
            at_seconds=self.now,
            resident_tokens=round(self.resident * 400_000),
            capacity_tokens=400_000,
            slowest_agent_tokens_per_second=self.slowest * self.rate(self.clock) if self.agents else None,
            running=self.agents,
            waiting=self.waiting,
            prompt_tokens_total=self.prompt,
            cached_tokens_total=0.0,
            generation_tokens_total=self.generated,
            watts=self.watts(self.clock),
            clock_mhz=self.clock,
            limit_bound=False,
        )
        decision = decide(SPEC, BOUNDS, self.state, seen._replace(**changes))
        self.state, self.clock = decision.state, decision.clock_mhz or CLOCKS[-1]
        self.asked.append(self.clock)
        self.whys.append(decision.why)
        return decision

    def run(self, seconds, **changes):
        for _ in range(seconds):
            decision = self.second(**changes)
        return decision


def test_a_lone_agent_with_pauses_costs_hardly_more_than_at_its_cheapest_clock():
    plant = Plant(agents=1)
    left = 3000.0  # a turn of many whole seconds: what a plant that moves by seconds rounds up is then small
    for _ in range(6000):
        plant.agents = int(left > 0)
        left -= plant.rate(plant.clock) if left > 0 else 0
        plant.second()
        left = 3000.0 if left < -1000 else left - 40 * (left <= 0)  # a tool runs for half a minute

    def joules(clock):
        plant.agents = 1
        return (plant.watts(clock) - 50) / plant.rate(clock)

    assert joules(plant.asked[-1]) <= 1.05 * min(joules(clock) for clock in CLOCKS)
    assert Why.SAVING in plant.whys


def test_a_batch_that_never_ends_is_as_cheap_as_the_objective_allows():
    plant = Plant(memory=0.007, compute=0.012, agents=6)
    plant.run(3000)

    assert 20 <= plant.slowest * plant.rate(plant.clock) <= 26


def test_the_objective_comes_before_energy():
    plant = Plant(memory=0.001, compute=0.02)
    plant.run(3000)

    assert plant.slowest * plant.rate(plant.clock) >= 20
    assert plant.clock < CLOCKS[-1]
    assert plant.whys[-1] is Why.OBJECTIVE


def test_an_objective_that_no_clock_meets_takes_the_clock_as_far_up_as_it_helps():
    plant = Plant(memory=0.001, compute=0.06)
    plant.run(1500)

    assert plant.rate(plant.clock) >= 0.8 * plant.rate(CLOCKS[-1])


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param({"resident_tokens": None}, Why.UNKNOWN_LOAD, id="gateway silent: to the top"),
        pytest.param({"capacity_tokens": None}, Why.UNKNOWN_LOAD, id="engine silent: to the top"),
    ],
)
def test_what_is_not_known_is_not_lowered(changes, why):
    plant = Plant()
    plant.run(1500)
    assert plant.clock < CLOCKS[-1]
    decision = plant.second(**changes)

    assert decision.clock_mhz is None
    assert decision.why is why


def test_agents_that_are_held_and_memory_that_fills_speed_the_clock_up_at_once():
    plant = Plant(memory=0.001, compute=0.01)
    plant.run(3000)
    calm = plant.clock
    tight = plant.second(resident_tokens=340_000)
    held = plant.second(waiting=2)

    assert calm < tight.clock_mhz <= held.clock_mhz
    assert (tight.why, held.why) == (Why.MEMORY, Why.AGENTS_HELD)


def test_memory_that_binds_makes_speeding_up_useless_and_held_agents_do_not_waste_power():
    plant = Plant()
    plant.run(3000)
    held = plant.run(5, waiting=2)

    assert held.clock_mhz is not None
    assert plant.rate(held.clock_mhz) >= 0.9 * plant.rate(CLOCKS[-1])
    assert held.clock_mhz < 0.95 * CLOCKS[-1]


def test_down_goes_one_level_in_two_seconds_and_up_at_once():
    plant = Plant()
    plant.run(2000)
    moves = list(pairwise(plant.asked))
    down = [(a - b) / CLOCKS[-1] for a, b in moves if b < a]

    assert max(down) < 0.05
    lowered = [index for index, (a, b) in enumerate(moves) if b < a]
    assert min(b - a for a, b in pairwise(lowered)) >= 2
    plant.second(resident_tokens=None)
    assert plant.clock == CLOCKS[-1]


def test_a_limit_that_holds_the_clock_down_winds_nothing_up():
    plant = Plant(memory=0.001, compute=0.01)
    plant.run(2000)
    before = plant.clock
    plant.slowest, kept = plant.slowest, plant.state.learnt.trim
    for _ in range(600):
        plant.clock = 600  # what the limit lets through
        plant.second(limit_bound=True)

    assert plant.state.learnt.trim == pytest.approx(kept, rel=0.25)
    plant.run(60)
    assert plant.clock == pytest.approx(before, rel=0.2)


def test_demand_is_what_the_objective_could_need_not_what_a_lowered_clock_draws():
    plant = Plant()
    first = plant.second()
    plant.run(2000)
    held = plant.second(waiting=1)

    assert first.demand_watts == math.inf
    assert held.demand_watts >= plant.watts(plant.asked[-2])


@pytest.mark.parametrize(
    ("changes", "watts"),
    [
        pytest.param({}, 50 * 1.25, id="nothing held and nobody there wants a little more than it draws"),
        pytest.param({"running": 1}, math.inf, id="the first turn wants whatever there is"),
        pytest.param({"waiting": 1}, math.inf, id="a turn that waits for it does too"),
        pytest.param({"resident_tokens": 9}, math.inf, id="agents whose tools run may be back any second"),
        pytest.param({"resident_tokens": None}, math.inf, id="a silent gateway may hide anything"),
    ],
)
def test_a_replica_that_was_never_seen_at_work_holds_no_watts_back_from_others(changes, watts):
    plant = Plant(agents=0, resident=0.0)
    plant.run(60)

    assert plant.second(**changes).demand_watts == watts


def test_a_restarted_engine_teaches_nothing_wrong():
    plant = Plant()
    plant.run(1000)
    learnt = plant.state.learnt.pace
    plant.generated = plant.prompt = 0.0
    plant.second()

    assert plant.state.learnt.pace == learnt


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 420_000) | st.none(), st.floats(0, 300) | st.none(), st.integers(0, 40), st.integers(0, 5),
            st.floats(0, 5000), st.floats(40, 400), st.sampled_from(CLOCKS), st.integers(1, len(CLOCKS)),
        ),
        max_size=60,
    )
)  # fmt: skip
def test_whatever_is_seen_the_clock_stays_inside_its_bounds(seconds):
    state, total = ClockState(), 0.0
    for at, (resident, slowest, running, waiting, tokens, watts, clock, count) in enumerate(seconds):
        total += tokens
        bounds = ClockBounds(CLOCKS[:count])
        seen = ClockSeen(
            float(at),
            resident,
            417_000,
            slowest,
            running,
            waiting,
            total,
            total / 2,
            total,
            watts,
            clock,
            False,
        )
        decision = decide(SPEC, bounds, state, seen)
        state = decision.state

        assert decision.clock_mhz is None or decision.clock_mhz in bounds.clocks_mhz[:-1]
        assert decision.demand_watts >= 0
        assert decision.detail
