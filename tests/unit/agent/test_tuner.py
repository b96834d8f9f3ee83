"""What devices do by themselves: asked for where they offer it, after it is on record, read back, never fought over."""

import json
from dataclasses import replace

import pytest
from tests.unit.agent.rig import FakeGpu, but, rig, spec

from wattline.model.errors import GpuBlocked, GpuError
from wattline.model.gpu import Ramp, Tuned
from wattline_agent.record import write_synced

THEIRS = Ramp(on=False, preset=2, up_watts_per_second=3e6, floor_percent=40.0)
OURS = Ramp(on=True, preset=2, up_watts_per_second=100.0, floor_percent=0.0)
RAMPED = spec(gpus=1, ramp_up_watts_per_second=100.0)


def newer(**changes) -> dict[str, FakeGpu]:
    return {"G0": FakeGpu(**{"tuned": Tuned.OFF, "ramp": THEIRS} | changes)}


def writes(here, call="set_tuned") -> list[object]:
    return [write.new for write in here.device.journal if write.call == call]


def status(here):
    return here.statuses()["G0"]


class TestProfile:
    def test_it_is_asked_for_before_a_clock_is_locked_and_once(self, tmp_path):
        here = rig(tmp_path, newer()).enforced(spec(gpus=1, budget_watts=400), seconds=20)

        calls = [write.call for write in here.device.journal]
        assert writes(here) == [Tuned.ON]
        assert "lock_clock" not in calls or calls.index("set_tuned") < calls.index("lock_clock")
        assert status(here).profile == "applied"

    @pytest.mark.parametrize(
        ("gpu", "order", "said"),
        [
            pytest.param({"tuned": None}, {}, "", id="a device without profiles"),
            pytest.param({}, {"replicas": ()}, "", id="a GPU on which no replica of ours runs"),
            pytest.param({"tuned": Tuned.ON}, {}, "applied", id="somebody has asked for it already"),
            pytest.param(
                {"tuned": Tuned.EXCLUDED}, {}, "blocked: Excluded", id="others asked for what excludes it"
            ),
            pytest.param(
                {"tuned": Tuned.OVERRULED}, {}, "blocked: Overruled", id="the device follows another"
            ),
            pytest.param({}, {"enforce": False}, "", id="an order that only observes"),
        ],
    )
    def test_nothing_is_written_where(self, tmp_path, gpu, order, said):
        here = rig(tmp_path, newer(**gpu)).enforced(spec(gpus=1, **order), seconds=10)

        assert writes(here) == []
        assert status(here).profile.startswith(said)
        assert bool(status(here).profile) is bool(said)

    def test_it_is_on_record_before_it_is_asked_for(self, tmp_path):
        here = rig(tmp_path, newer())
        seen: list[bool] = []
        ask = here.device.set_tuned

        def look(uuid, *, on) -> None:
            seen.append(json.loads((tmp_path / "device.json").read_text())["gpus"][uuid]["tuned_touched"])
            ask(uuid, on=on)

        here.device.set_tuned = look
        here.enforced(spec(gpus=1))

        assert seen == [True]

    def test_without_a_record_it_is_not_asked_for_and_the_limit_holds(self, tmp_path):
        full = False

        def write(path, text) -> None:
            if full and 'tuned_touched": true' in text:
                raise OSError("disk full")
            write_synced(path, text)

        full = True
        here = rig(tmp_path, newer(), write=write).enforced(spec(gpus=1, budget_watts=408))

        assert writes(here) == []
        assert status(here).profile.startswith("error: NoRecord")
        assert here.device.gpus["G0"].limit_watts == pytest.approx(400)

    @pytest.mark.parametrize(
        ("error", "said"),
        [
            (GpuBlocked("Permissions: not ours"), "blocked: Permissions"),
            (GpuBlocked("NotSupported: by this driver"), "blocked: NotSupported"),
            (GpuError("Nvml999: unknown"), "error: Nvml999"),
        ],
    )
    def test_a_refusal_is_told_and_keeps_the_gpu_from_nothing_else(self, tmp_path, error, said):
        here = rig(tmp_path, newer(errors={"set_tuned": error})).enforced(spec(gpus=1, budget_watts=408))

        assert status(here).profile.startswith(said)
        assert str(status(here).outcome) == "applied"
        assert here.device.gpus["G0"].limit_watts == pytest.approx(400)

    def test_what_somebody_takes_back_is_not_fought_over(self, tmp_path):
        here = rig(tmp_path, newer()).enforced(spec(gpus=1))
        here.device.gpus["G0"].tuned = Tuned.OFF
        here.run(60)

        assert writes(here) == [Tuned.ON]
        assert status(here).profile.startswith("blocked: Contested")

    def test_a_limit_that_a_profile_moves_is_nobody_elses_doing(self, tmp_path):
        here = rig(tmp_path, newer())
        ask = here.device.set_tuned

        def moving(uuid, *, on) -> None:
            ask(uuid, on=on)
            here.device.gpus[uuid].limit_watts = 600.0

        here.device.set_tuned = moving
        here.enforced(spec(gpus=1, budget_watts=510), seconds=10)

        assert here.device.gpus["G0"].limit_watts == pytest.approx(500)
        assert "Contested" not in status(here).reason

    def test_after_a_reload_of_the_driver_it_is_asked_for_again(self, tmp_path):
        here = rig(tmp_path, newer()).enforced(spec(gpus=1))
        gpu = here.device.gpus["G0"]
        gpu.tuned, gpu.limit_watts, gpu.energy_joules = Tuned.OFF, 700.0, 0.0
        here.run(10)

        assert writes(here) == [Tuned.ON, Tuned.ON]
        assert status(here).profile == "applied"

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            pytest.param(Tuned.OFF, [Tuned.ON, Tuned.OFF], id="ours goes"),
            pytest.param(Tuned.ON, [], id="theirs stays"),
        ],
    )
    def test_a_release_takes_back_what_was_ours(self, tmp_path, before, after):
        here = rig(tmp_path, newer(tuned=before)).enforced(spec(gpus=1))
        here.order(but(spec(gpus=1), enforce=False, release=True), generation=2).run(10)

        assert writes(here) == after
        assert here.device.gpus["G0"].tuned is before
        assert here.governor.in_force_generation == 2
        assert here.governor.hands.record.record.gpus == {}

    def test_a_successor_takes_it_back_too(self, tmp_path):
        here = rig(tmp_path, newer()).enforced(spec(gpus=1))
        here.start()
        here.order(but(spec(gpus=1), enforce=False, release=True), generation=2).run(10)

        assert writes(here) == [Tuned.ON, Tuned.OFF]

    def test_it_goes_when_the_replica_does_and_is_then_nobodys(self, tmp_path):
        here = rig(tmp_path, newer()).enforced(spec(gpus=1))
        here.order(spec(gpus=1, replicas=()), generation=2).run(10)
        here.device.gpus["G0"].tuned = Tuned.ON  # somebody else asks for it now
        here.run(10)

        assert writes(here) == [Tuned.ON, Tuned.OFF]

    def test_tightening_comes_first(self, tmp_path):
        here = rig(tmp_path, newer()).enforced(spec(gpus=1, budget_watts=300))

        calls = [write.call for write in here.device.journal]
        assert calls.index("set_limit") < calls.index("set_tuned")


class TestRamp:
    def test_the_device_takes_its_share_of_the_nodes_ramp_without_a_floor(self, tmp_path):
        here = rig(tmp_path, newer()).enforced(RAMPED)

        assert writes(here, "set_ramp") == [OURS]
        assert status(here).ramp == "applied"

    @pytest.mark.parametrize(
        ("theirs", "ours"),
        [
            pytest.param(
                replace(THEIRS, on=True, up_watts_per_second=250.0),
                replace(THEIRS, on=True, up_watts_per_second=100.0),
                id="a faster one that somebody set is slowed and keeps its floor",
            ),
            pytest.param(replace(THEIRS, on=True, up_watts_per_second=50.0), None, id="a slower one stays"),
        ],
    )
    def test_what_is_on_already(self, tmp_path, theirs, ours):
        here = rig(tmp_path, newer(ramp=theirs)).enforced(RAMPED)

        assert writes(here, "set_ramp") == ([] if ours is None else [ours])

    def test_without_a_ramp_in_the_order_nothing_is_asked(self, tmp_path):
        here = rig(tmp_path, newer()).enforced(spec(gpus=1))

        assert writes(here, "set_ramp") == []

    def test_another_ramp_is_followed(self, tmp_path):
        here = rig(tmp_path, newer()).enforced(RAMPED)
        here.order(but(RAMPED, ramp_up_watts_per_second=300.0), generation=2).run(5)

        assert writes(here, "set_ramp") == [OURS, replace(OURS, up_watts_per_second=300.0)]

    def test_somebody_elses_change_is_not_fought_over_and_stays(self, tmp_path):
        here = rig(tmp_path, newer()).enforced(RAMPED)
        other = replace(OURS, up_watts_per_second=777.0)
        here.device.gpus["G0"].ramp = other
        here.run(30)
        said = status(here).ramp
        here.order(but(RAMPED, enforce=False, release=True), generation=2).run(10)

        assert said.startswith("blocked: Contested")
        assert writes(here, "set_ramp") == [OURS]
        assert here.device.gpus["G0"].ramp == other

    @pytest.mark.parametrize(
        "order",
        [
            pytest.param(
                but(RAMPED, ramp_up_watts_per_second=None), id="when the order has no ramp any more"
            ),
            pytest.param(but(RAMPED, enforce=False, release=True), id="on release"),
        ],
    )
    def test_it_goes_back(self, tmp_path, order):
        here = rig(tmp_path, newer()).enforced(RAMPED)
        here.order(order, generation=2).run(10)

        assert writes(here, "set_ramp") == [OURS, THEIRS]
        assert here.governor.in_force_generation == 2
        assert all(was.ramp is None for was in here.governor.hands.record.record.gpus.values())
