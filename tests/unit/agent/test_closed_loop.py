"""The device loop on GPUs with physics: one overshoot at most, and no GPU ever has to slow itself down."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.unit.agent.rig import Rig, but, spec

from wattline.api.powernode import EmergencyLevel, PowerNodeSpec
from wattline.fake.nvml import Twin
from wattline.model.gpu import EventReason
from wattline.world.gpu import PRODUCTS, Gpu
from wattline.world.load import IDLE, Load, compute_bound
from wattline_agent.messages import EmergencySeen

HARDWARE = EventReason.HW_SLOWDOWN | EventReason.HW_THERMAL | EventReason.HW_POWER_BRAKE
FULL_LOAD = compute_bound(700.0)
FULL = but(spec(1428.0), replicas=())


@dataclass
class Machine:
    """Two H100s at full work and the agent that holds them."""

    rig: Rig
    gpus: list[Gpu]
    fifths: list[float] = field(default_factory=list)
    """Mean draw of every fifth of a second since the start."""

    def run(
        self, seconds: int, order: PowerNodeSpec | None = None, generation: int = 1, load: Load = FULL_LOAD
    ) -> list[float]:
        """Return the node's draw at the end of every second."""
        if order is not None:
            self.rig.order(order, generation=generation)
        draws = []
        for _ in range(seconds):
            self.rig.renew()
            for _ in range(5):
                self.rig.governor.tick(self.rig.at_seconds)
                self.rig.at_seconds = round(self.rig.at_seconds + 0.2, 3)
                joules = sum(gpu.energy_joules for gpu in self.gpus)
                for gpu in self.gpus:
                    gpu.advance(self.rig.at_seconds, load)
                self.fifths.append((sum(gpu.energy_joules for gpu in self.gpus) - joules) / 0.2)
            draws.append(sum(gpu.watts for gpu in self.gpus))
        return draws


def unsynced(path: Path, text: str) -> None:
    """Hundreds of renewals need no disk."""
    path.write_text(text)


def machine(folder: Path, inlet_celsius: float = 25.0) -> Machine:
    gpus = [Gpu(PRODUCTS["h100"], f"G{i}", inlet_celsius=inlet_celsius, at_seconds=1000.0) for i in range(2)]
    here = Rig(folder, None, write=unsynced)
    here.device = Twin(gpus, lambda: here.at_seconds)
    here.start()
    return Machine(here, gpus)


def test_a_budget_that_falls_is_kept_after_one_second_and_one_overshoot(tmp_path):
    here = machine(tmp_path)
    here.run(60, FULL)
    draws = here.run(60, but(FULL, budget_watts=900.0), generation=2)

    assert max(draws[1:]) <= 900.0
    assert draws[-1] >= 0.93 * 900.0


def test_the_clock_takes_over_from_the_fence(tmp_path):
    here = machine(tmp_path)
    here.run(90, but(FULL, budget_watts=900.0))
    capped = 0
    for _ in range(60):
        here.run(1)
        capped += any(EventReason.SW_POWER_CAP in gpu.reasons for gpu in here.gpus)

    assert here.gpus[0].locked_mhz is not None
    assert capped <= 20


def test_a_budget_that_rises_is_used_within_three_seconds(tmp_path):
    here = machine(tmp_path)
    here.run(90, but(FULL, budget_watts=900.0))
    draws = here.run(20, FULL, generation=2)

    assert draws[4] >= 1200.0
    assert max(draws) <= 1428.0


@pytest.mark.parametrize("inlet_celsius", [45, 60])
def test_no_gpu_has_to_slow_itself_down(tmp_path, inlet_celsius):
    here = machine(tmp_path, inlet_celsius)
    lowest, ends = 99.0, []
    for second in range(300):
        here.run(1, FULL if second == 0 else None)
        lowest = min(lowest, *(gpu.margin_celsius for gpu in here.gpus))
        assert not any(gpu.reasons & HARDWARE for gpu in here.gpus)
        if second >= 220:
            ends.append(here.rig.governor.hands.gpus["G0"].heat.clock_ratio)

    assert lowest >= 2.0
    assert len(set(ends)) <= 2, "it settles"


RAMPED = but(FULL, ramp_up_watts_per_second=60.0)


def risen(fifths: list[float]) -> float:
    """Return the largest rise over any second, in watts."""
    return max(late - early for early, late in zip(fifths, fifths[5:], strict=False))


def test_a_budget_that_rises_is_used_as_fast_as_the_ramp_allows_and_no_faster(tmp_path):
    here = machine(tmp_path)
    here.run(90, but(RAMPED, budget_watts=900.0))
    draws = here.run(40, RAMPED, generation=2)

    assert risen(here.fifths[-5 * 40 :]) <= 60.0
    assert draws[-1] >= 1200.0
    assert max(draws) <= 1428.0


def test_a_ramp_holds_nothing_back_on_the_way_down(tmp_path):
    here = machine(tmp_path)
    here.run(60, but(RAMPED, ramp_down_watts_per_second=10.0))
    draws = here.run(10, but(RAMPED, ramp_down_watts_per_second=10.0, budget_watts=900.0), generation=2)

    assert max(draws[1:]) <= 900.0, "a budget that falls is urgent"


@pytest.mark.parametrize("order", [pytest.param(FULL, id="free"), pytest.param(RAMPED, id="with a ramp")])
def test_a_step_in_load_stays_inside_the_budget_and_settles(tmp_path, order):
    here = machine(tmp_path)
    here.run(30, but(order, budget_watts=900.0), load=IDLE)
    draws = here.run(60)

    assert max(draws) <= 900.0
    assert max(draws[20:]) - min(draws[20:]) <= 20.0
    assert draws[-1] >= 0.93 * 900.0


def test_after_an_emergency_the_node_comes_back_by_its_ramp(tmp_path):
    here = machine(tmp_path)
    level = EmergencyLevel(level="row", budget_watts=700.0, duration_seconds=20.0)
    here.run(60, but(RAMPED, emergency=(level,)))
    here.rig.hear(EmergencySeen(level="row", number=1, way="http"))
    draws = here.run(90)

    assert max(draws[1:19]) <= 700.0
    assert risen(here.fifths[-5 * 71 :]) <= 60.0
    assert draws[-1] >= 1200.0
