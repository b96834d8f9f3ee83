"""A driver whose setters take long: nobody looks at the GPUs meanwhile, so what is not urgent comes in portions."""

from tests.unit.agent.rig import but, rig, spec

from wattline.api.powernode import GpuOrder

GPUS = 8
SLOW_SECONDS = 0.15
AMPLE_WATTS = 9000.0


def order(budget_watts: float, clock_mhz: int | None = None):
    gpus = tuple(GpuOrder(uuid=f"G{i}", group=f"g{i}", clock_mhz_max=clock_mhz) for i in range(GPUS))
    return but(spec(budget_watts, GPUS), gpus=gpus, replicas=())


def slow(folder):
    here = rig(folder, GPUS, call_seconds=SLOW_SECONDS)
    return here.enforced(order(AMPLE_WATTS))


def test_clocks_are_locked_in_portions_of_a_safety_period_and_every_gpu_has_its_turn(tmp_path):
    here = slow(tmp_path)
    here.order(order(AMPLE_WATTS, 1500), generation=2)
    here.run(0.2)
    assert len(here.device.journal) == 2, "the second began within the period, the third would not have"
    here.run(1.0)

    assert {write.uuid for write in here.device.journal} == set(here.device.gpus)
    assert len(here.device.journal) == GPUS


def test_who_was_written_longest_ago_comes_first(tmp_path):
    here = slow(tmp_path)
    here.order(order(AMPLE_WATTS, 1500), generation=2)
    here.run(0.4)
    here.order(order(AMPLE_WATTS, 1200), generation=3)
    here.run(0.8)

    assert [write.uuid for write in here.device.journal] == [f"G{i}" for i in range(GPUS)] + [
        "G0",
        "G1",
        "G2",
        "G3",
    ][: len(here.device.journal) - GPUS]


def test_watts_above_the_budget_are_lowered_in_one_pass_however_long_it_takes(tmp_path):
    here = slow(tmp_path)
    here.order(order(4000.0), generation=2)
    here.run(0.2)

    assert here.device.bound_watts() <= 4000.0
    assert len(here.device.journal) == GPUS
