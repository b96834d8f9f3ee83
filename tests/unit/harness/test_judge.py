"""The judge itself is judged: it must see a promise that was not kept."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from harness.judge import Judge
from harness.watch import Heard


@dataclass
class FakeWatch:
    heard: list[Heard] = field(default_factory=list)

    def says(self, at: float, name: str, holds: bool, watts: float, **more: Any) -> None:
        """A domain says whether it holds a budget; by default of one node with 300 W beside its GPUs."""
        generation = more.get("generation", 1)
        spec = {"budget": {"watts": watts, "nodeOverheadWatts": more.get("overhead", 300)}}
        spec["budget"]["reservedWatts"] = more.get("reserved", 0)
        if "parent" in more:
            spec["parent"] = more["parent"]
        condition = {"type": "Enforced", "status": str(holds), "reason": more.get("reason", "WithinBudget")}
        status = {
            "observedGeneration": more.get("observed", generation),
            "nodes": more.get("nodes", 1),
            "epoch": more.get("epoch", 1),
            "conditions": [{"type": "Accepted", "status": "True"}, condition],
        }
        meta = {"name": name, "generation": generation}
        self.heard.append(Heard(at, "MODIFIED", {"metadata": meta, "spec": spec, "status": status}))

    def breaks_off(self, at: float) -> None:
        self.heard.append(Heard(at, "AWAY", {}))


@dataclass
class FakeWorld:
    moments: list[tuple[float, float]]

    def allowed_watts(self) -> list[tuple[float, float]]:
        return self.moments


def judge(watch: FakeWatch, *moments: tuple[float, float]) -> Judge:
    return Judge(watch, FakeWorld(list(moments)))  # type: ignore[arg-type]  # they have what the judge uses


def test_a_domain_that_holds_while_its_gpus_fit_is_believed():
    watch = FakeWatch()
    watch.says(10, "row", True, 1000)

    assert judge(watch, (0, 900), (5, 700), (20, 600)).broken() == []


@pytest.mark.parametrize(
    ("moments", "seen"),
    [
        pytest.param([(0, 701.0)], True, id="above when it says so"),
        pytest.param([(0, 700.0), (15, 720.0), (16, 600.0)], True, id="above for a moment"),
        pytest.param([(0, 700.0), (21, 900.0)], False, id="above after it said otherwise"),
        pytest.param([(0, 900.0), (9, 700.0)], False, id="above before it said so"),
    ],
)
def test_a_moment_above_the_budget_is_seen_while_the_domain_says_that_it_holds(moments, seen):
    watch = FakeWatch()
    watch.says(10, "row", True, 1000)
    watch.says(20, "row", False, 1000, reason="Observing")

    assert bool(judge(watch, *moments).broken()) is seen


def test_a_domain_is_held_to_the_budget_that_it_speaks_of():
    watch = FakeWatch()
    watch.says(10, "row", True, 1000)
    watch.says(20, "row", True, 800, generation=2, observed=1)
    assert judge(watch, (0, 700)).broken() == []

    watch.says(30, "row", True, 800, generation=2)
    assert len(judge(watch, (0, 700)).broken()) == 1


def test_what_hangs_on_lower_breakers_counts_above_too():
    watch = FakeWatch()
    watch.says(10, "hall", True, 1000, overhead=0, nodes=0)
    watch.says(11, "row", False, 5000, overhead=300, reserved=100, parent="hall")
    assert judge(watch, (0, 601)).broken() == []

    watch.says(12, "hall", True, 1000, overhead=0)
    assert len(judge(watch, (0, 601)).broken()) == 1
    assert judge(watch, (0, 600)).broken() == []


def test_nothing_is_concluded_while_nobody_can_be_heard():
    watch = FakeWatch()
    watch.says(10, "row", True, 1000)
    watch.breaks_off(20)

    assert judge(watch, (0, 600), (25, 900)).broken() == []
    assert judge(watch, (0, 600)).held_seconds() == 10


def test_a_raise_while_a_domain_lowers_is_seen_once_earlier_orders_have_arrived():
    watch = FakeWatch()
    watch.says(10, "row", False, 1000, reason="LoweringToBudget")
    watch.says(20, "row", True, 1000)

    assert judge(watch, (0, 900), (11, 950), (12, 800)).raised_while_lowering() == []
    assert len(judge(watch, (0, 900), (12, 950), (13, 800)).raised_while_lowering()) == 1


def test_a_leader_that_speaks_after_its_successor_is_seen():
    watch = FakeWatch()
    for at, epoch in enumerate((1, 2, 2)):
        watch.says(at, "row", True, 1000, epoch=epoch)
    assert judge(watch).epochs_in_order()

    watch.says(4, "row", True, 1000, epoch=1)
    assert not judge(watch).epochs_in_order()


def test_since_when_the_gpus_fit_counts_from_the_last_time_they_did_not():
    assert judge(FakeWatch(), (0, 900), (1, 500), (2, 600), (3, 500)).below_since(550) == 3
    assert judge(FakeWatch(), (0, 500), (1, 600)).below_since(550) is None
