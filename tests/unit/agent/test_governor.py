"""The device loop: what it writes, when it may not, and what it says of it."""

import errno
from itertools import pairwise

import pytest
from tests.unit.agent.rig import FakeGpu, but, load, loads, replica, rig, spec

from wattline.api.powernode import GpuOrder, NodeState, Outcome
from wattline.model.errors import GpuBlocked, GpuError
from wattline.model.gpu import EventReason
from wattline_agent.governor import Mode


def full(_path, _text):
    raise OSError(errno.ENOSPC, "No space left on device")


def limits(here):
    return {uuid: gpu.limit_watts for uuid, gpu in here.device.gpus.items()}


# -- enforcing -----------------------------------------------------------------------------------------------------


def test_an_order_in_force_divides_the_node_budget(tmp_path):
    here = rig(tmp_path).enforced(spec(1000.0))

    assert limits(here) == pytest.approx({"G0": 490.2, "G1": 490.2}, abs=0.1)
    assert here.device.bound_watts() <= 1000.0
    assert here.view().observed_generation == 1
    assert here.view().state is NodeState.ENFORCING
    assert {status.outcome for status in here.statuses().values()} == {Outcome.APPLIED}


def test_what_is_already_so_is_not_written(tmp_path):
    here = rig(tmp_path).enforced(spec(1428.0), seconds=20)

    assert here.device.journal == []
    assert here.view().observed_generation == 1


def test_what_one_group_needs_less_the_other_gets(tmp_path):
    here = rig(tmp_path)
    here.device.gpus["G1"].watts = 250.0
    here.device.gpus["G0"].watts = 600.0
    order = but(spec(1000.0), replicas=())
    here.enforced(order, seconds=20)

    assert limits(here)["G0"] > 600.0 > limits(here)["G1"]
    assert here.device.bound_watts() <= 1000.0


def test_a_lower_budget_is_acknowledged_with_its_read_back(tmp_path):
    here = rig(tmp_path).enforced(spec(1400.0))
    here.order(spec(900.0), generation=2)
    assert here.view().observed_generation == 1

    here.run(1.0)

    assert here.view().observed_generation == 2
    assert here.view().bound_watts <= 900.0


def test_a_gpu_that_cannot_be_lowered_shows_in_what_is_acknowledged(tmp_path):
    here = rig(tmp_path).enforced(spec(1400.0))
    here.device.gpus["G0"].errors["set_limit"] = GpuError("Nvml999: unknown")
    here.order(spec(900.0), generation=2).run(2.0)

    assert here.statuses()["G0"].outcome is Outcome.ERROR
    assert here.statuses()["G0"].bound_watts == pytest.approx(700.0, abs=0.1)
    assert here.view().bound_watts == here.device.bound_watts() > 900.0

    here.device.gpus["G0"].errors.clear()
    here.run(6.0)
    assert here.view().bound_watts <= 900.0


def test_the_gpus_of_a_group_take_one_clock(tmp_path):
    order = but(
        spec(2000.0),
        gpus=(GpuOrder(uuid="G0", group="a"), GpuOrder(uuid="G1", group="a")),
        replicas=(replica(0, "G0", "G1"),),
    )
    here = rig(tmp_path).enforced(order)
    here.device.gpus["G1"].celsius = 82.0
    here.run(0.6)

    assert here.device.gpus["G0"].lock_mhz == here.device.gpus["G1"].lock_mhz == 1875


def test_full_speed_is_given_by_reset(tmp_path):
    here = rig(tmp_path).enforced(spec(2000.0))
    here.device.gpus["G0"].celsius = 82.0
    here.run(0.4)
    here.device.gpus["G0"].celsius = 50.0
    here.run(20.0)

    clocks = [write.new for write in here.device.journal if write.call == "lock_clock"]
    assert clocks[0] == 1875
    assert clocks[-1] is None
    assert 1980 not in clocks


def test_a_clock_bound_of_the_order_is_held(tmp_path):
    order = but(spec(2000.0, gpus=1), gpus=(GpuOrder(uuid="G0", group="a", clock_mhz_max=1500),))
    here = rig(tmp_path, 1).enforced(order)

    assert here.device.gpus["G0"].lock_mhz == 1500


def test_a_gpu_is_written_once_a_second_at_most_but_to_get_below_the_budget(tmp_path):
    order = but(
        spec(1000.0), gpus=tuple(GpuOrder(uuid=f"G{i}", group=f"g{i}", clock_mhz_max=1500) for i in (0, 1))
    )
    here = rig(tmp_path, {"G0": FakeGpu(persistence=False), "G1": FakeGpu()}).enforced(order, seconds=8)
    here.order(but(order, budget_watts=900.0), generation=2).run(4)
    here.order(but(order, budget_watts=1200.0), generation=3).run(4)

    for uuid in ("G0", "G1"):
        writes = [write for write in here.device.journal if write.uuid == uuid]
        assert len(writes) >= 4
        for one, other in pairwise(writes):
            urgent = other.call == "set_limit" and other.new < other.old
            assert urgent or other.at_seconds - one.at_seconds >= 1.0


# -- what is not touched -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"enforce": False}, id="the domain only observes"),
        pytest.param({"release": True}, id="the order is a release"),
    ],
)
def test_an_order_that_does_not_enforce_writes_nothing(tmp_path, changes):
    here = rig(tmp_path).enforced(but(spec(600.0), **changes), seconds=20)

    assert here.device.journal == []
    assert (
        not (tmp_path / "device.json").exists() or "limit_watts" not in (tmp_path / "device.json").read_text()
    )
    assert here.view().observed_generation == 1


def test_observing_says_what_would_be_done(tmp_path):
    here = rig(tmp_path).enforced(but(spec(600.0), enforce=False))

    want = "Observing: would limit to 294 W (BudgetShared) and leave the clock to the driver (UnknownLoad)"
    assert here.statuses()["G0"].reason == want
    assert here.statuses()["G0"].outcome is Outcome.NONE


def test_an_order_is_not_in_force_before_its_lease_was_seen_to_change(tmp_path):
    here = rig(tmp_path).order(spec(600.0))
    here.renew()
    here.run(30.0, renewing=False)

    assert here.device.journal == []
    assert here.governor.mode is Mode.WAIT


def test_a_gpu_that_no_order_names_is_never_written(tmp_path):
    here = rig(tmp_path, 3).enforced(spec(600.0))
    here.device.gpus["G2"].celsius = 86.0
    here.run(5.0)

    assert {write.uuid for write in here.device.journal} == {"G0", "G1"}


def test_older_orders_are_ignored(tmp_path):
    here = rig(tmp_path).enforced(spec(1000.0))
    here.order(spec(400.0), generation=0).run(3.0)
    here.order(but(spec(400.0), epoch=0), generation=9).run(3.0)

    assert limits(here) == pytest.approx({"G0": 490.2, "G1": 490.2}, abs=0.1)


def test_an_agent_that_hears_nothing_new_says_which_epoch_it_has_heard(tmp_path):
    here = rig(tmp_path).order(but(spec(1000.0), epoch=11)).run(3.0)

    later = here.start().order(but(spec(400.0), epoch=1), uid="of the next installation").run(3.0)

    assert later.view().epoch == 11
    assert later.view().observed_generation == 0


# -- losses --------------------------------------------------------------------------------------------------------


def test_a_lease_that_ends_lowers_to_failsafe_within_a_second_and_raises_nothing(tmp_path):
    here = rig(tmp_path).enforced(but(spec(1000.0), failsafe_watts=700.0))
    here.run(60.0 - 5.0, renewing=False)
    assert here.governor.mode is Mode.ENFORCE

    here.run(1.2, renewing=False)

    assert here.governor.mode is Mode.FAILSAFE
    assert here.view().state is NodeState.FAILSAFE
    assert here.device.bound_watts() <= 700.0


def test_a_failsafe_above_the_present_limit_is_not_gone_up_to(tmp_path):
    here = rig(tmp_path).enforced(but(spec(600.0), failsafe_watts=1400.0))
    before = limits(here)
    here.run(200.0, renewing=False)

    assert limits(here) == before


def test_the_failsafe_is_never_below_the_devices_least(tmp_path):
    here = rig(tmp_path).enforced(but(spec(1000.0), failsafe_watts=0.0))
    here.run(70.0, renewing=False)

    assert limits(here) == {"G0": 200.0, "G1": 200.0}


def test_a_renewed_lease_brings_the_order_back(tmp_path):
    here = rig(tmp_path).enforced(but(spec(1000.0), failsafe_watts=700.0))
    here.run(70.0, renewing=False)
    here.run(5.0)

    assert here.governor.mode is Mode.ENFORCE
    assert here.device.bound_watts() == pytest.approx(1000.0, abs=1)


def test_a_silent_gateway_gives_the_clock_back_within_five_seconds(tmp_path):
    here = rig(tmp_path, 1).enforced(spec(2000.0, gpus=1))
    order = here.governor.spec
    assert order is not None
    here.order(but(order, gpus=(GpuOrder(uuid="G0", group="g0", clock_mhz_max=1500),)), generation=2)
    here.run(3.0, loads=loads(load(0, running=2)))
    here.run(5.0)

    assert here.device.gpus["G0"].lock_mhz == 1500
    assert here.view().gpus[0].clock_reason.startswith("UnknownLoad")


def test_a_gpu_that_vanishes_is_counted_at_its_maximum_and_the_others_go_on(tmp_path):
    here = rig(tmp_path, 3).enforced(spec(1500.0, gpus=3))
    here.device.gpus["G0"].lost = True
    written = len(here.device.journal)
    here.run(3.0)

    gone = here.statuses()["G0"]
    assert gone.outcome is Outcome.ERROR
    assert gone.reason.startswith("GpuLost")
    assert gone.enforced_watts is None
    assert gone.bound_watts == pytest.approx(714.0)
    assert here.view().state is NodeState.DEGRADED
    assert {write.uuid for write in here.device.journal[written:]} == {"G1", "G2"}
    others = [here.device.gpus[uuid].limit_watts for uuid in ("G1", "G2")]
    assert sum(others) * 1.02 + 714 <= 1500


def test_a_gpu_that_comes_back_is_found_by_its_uuid_and_held_again(tmp_path):
    here = rig(tmp_path).enforced(spec(1000.0))
    here.device.gpus["G0"].lost = True
    here.run(3.0)
    here.device.gpus["G0"].lost = False
    here.device.gpus["G0"].limit_watts = 700.0
    here.run(15.0)

    assert here.statuses()["G0"].outcome is Outcome.APPLIED
    assert here.device.bound_watts() <= 1000.0
    assert here.statuses()["G0"].previous_watts == 700.0


def test_without_a_driver_the_agent_waits_and_says_so(tmp_path):
    here = rig(tmp_path)
    here.device.away = True
    here.enforced(spec(1000.0))
    assert here.view().state is NodeState.WAITING_FOR_DRIVER

    here.device.away = False
    here.run(15.0)
    assert here.view().state is NodeState.ENFORCING
    assert here.device.bound_watts() <= 1000.0


def test_a_driver_that_goes_is_waited_for(tmp_path):
    here = rig(tmp_path).enforced(spec(1000.0))
    here.device.away = True
    here.run(20.0)
    assert here.view().state is NodeState.WAITING_FOR_DRIVER

    here.device.away = False
    here.run(15.0)
    assert here.view().state is NodeState.ENFORCING


def test_a_driver_loaded_again_has_forgotten_everything_and_is_told_again(tmp_path):
    order = but(
        spec(1000.0), gpus=tuple(GpuOrder(uuid=f"G{i}", group=f"g{i}", clock_mhz_max=1500) for i in (0, 1))
    )
    here = rig(tmp_path).enforced(order)
    gpu = here.device.gpus["G0"]
    gpu.limit_watts, gpu.lock_mhz, gpu.energy_joules, gpu.persistence = 700.0, None, 1.0, False
    here.run(5.0)

    assert here.device.bound_watts() <= 1000.0
    assert (gpu.lock_mhz, gpu.persistence) == (1500, True)
    assert here.governor.hands.tally.drifts["driver_reload"] == 1


def test_a_foreign_writer_is_not_fought(tmp_path):
    here = rig(tmp_path, 3).enforced(spec(1500.0, gpus=3))
    here.device.gpus["G0"].limit_watts = 650.0
    written = len(here.device.journal)
    here.run(60.0)

    status = here.statuses()["G0"]
    assert status.reason.startswith("Contested")
    assert status.bound_watts == pytest.approx(714.0)
    assert "G0" not in {write.uuid for write in here.device.journal[written:]}
    assert here.device.gpus["G0"].limit_watts == 650.0
    assert sum(here.device.gpus[uuid].limit_watts for uuid in ("G1", "G2")) * 1.02 + 714 <= 1500

    for _ in range(12):
        here.run(50.0)
    assert here.statuses()["G0"].outcome is Outcome.APPLIED


def test_a_reading_that_fails_is_held_for_a_while_and_then_counts_as_lost(tmp_path):
    here = rig(tmp_path).enforced(spec(1000.0))
    here.device.gpus["G0"].errors["read"] = GpuError("Nvml10: timeout")
    here.run(3.0)
    assert here.statuses()["G0"].bound_watts == pytest.approx(500.0, abs=1)

    here.run(4.0)
    assert here.statuses()["G0"].reason.startswith("SensorLost")
    assert here.statuses()["G0"].bound_watts == pytest.approx(714.0)


def test_a_limit_whose_read_back_fails_once_is_ours_and_counts_as_asked_for(tmp_path):
    here = rig(tmp_path).enforced(spec(800.0))
    here.order(spec(1200.0), generation=2)
    raising = here.device.set_limit

    def unread(uuid, watts):
        raising(uuid, watts)
        here.device.gpus[uuid].errors["read"] = GpuError("Nvml10: timeout")

    here.device.set_limit = unread
    here.run(0.6)
    assert {gpu.limit_watts for gpu in here.device.gpus.values()} != {392.0}
    for uuid, status in here.statuses().items():
        assert status.bound_watts >= here.device.gpus[uuid].limit_watts

    here.device.set_limit = raising
    for gpu in here.device.gpus.values():
        gpu.errors.clear()
    here.run(8.0)
    assert {status.outcome for status in here.statuses().values()} == {Outcome.APPLIED}
    assert here.governor.hands.tally.drifts["external"] == 0


def test_an_ordered_gpu_that_was_not_there_at_the_start_is_counted_as_if_it_drew_all_it_can(tmp_path):
    here = rig(tmp_path, 3)
    here.device.gpus["G0"].lost = True
    here.enforced(spec(1500.0, gpus=3))

    assert here.device.bound_watts() <= 1500.0
    assert sum(here.device.gpus[uuid].limit_watts for uuid in ("G1", "G2")) * 1.02 + 714 <= 1500


# -- bad input -----------------------------------------------------------------------------------------------------


def test_a_full_disk_keeps_gpus_without_a_record_untouched(tmp_path):
    here = rig(tmp_path, write=full).enforced(spec(1000.0))

    assert here.device.journal == []
    for status in here.statuses().values():
        assert status.outcome is Outcome.ERROR
        assert (
            status.reason == "NoRecord: previous values cannot be saved: [Errno 28] No space left on device"
        )


def test_a_disk_that_fills_up_leaves_gpus_with_a_record_in_hand(tmp_path):
    here = rig(tmp_path, 2).enforced(spec(400.0, gpus=1))
    here.governor.hands.record._write = full
    here.order(spec(900.0, gpus=2), generation=2).run(3.0)

    assert here.device.gpus["G1"].limit_watts == 700.0
    assert here.statuses()["G1"].reason.startswith("NoRecord")
    assert here.device.gpus["G0"].limit_watts == 200.0
    assert here.statuses()["G0"].outcome is Outcome.APPLIED


def test_a_record_that_makes_no_sense_makes_the_agent_read_only(tmp_path):
    (tmp_path / "device.json").write_text("{")
    here = rig(tmp_path).enforced(spec(600.0))

    assert here.device.journal == []
    assert here.view().state is NodeState.DEGRADED
    assert "StateFileUnreadable" in here.statuses()["G0"].reason
    assert (tmp_path / "device.json").read_text() == "{"


@pytest.mark.parametrize(
    ("call", "error", "outcome", "reason"),
    [
        pytest.param(
            "set_limit", GpuBlocked("Permissions: no"), Outcome.BLOCKED, "Permissions", id="no rights"
        ),
        pytest.param("set_limit", GpuError("Nvml999: odd"), Outcome.ERROR, "Nvml999", id="an unknown error"),
    ],
)
def test_a_refused_write_is_told_and_its_watts_are_not_counted_on(tmp_path, call, error, outcome, reason):
    here = rig(tmp_path)
    here.device.gpus["G0"].errors[call] = error
    here.enforced(spec(1000.0))

    assert here.statuses()["G0"].outcome is outcome
    assert here.statuses()["G0"].reason.startswith(reason)
    assert here.device.gpus["G1"].limit_watts == pytest.approx((1000 - 714) / 1.02, abs=0.1)


def test_without_persistence_mode_nothing_is_enforced_on_a_gpu(tmp_path):
    here = rig(tmp_path, {"G0": FakeGpu(persistence=False), "G1": FakeGpu()})
    here.device.gpus["G0"].errors["set_persistence"] = GpuBlocked("Permissions: no")
    here.enforced(spec(1000.0))

    assert here.statuses()["G0"].outcome is Outcome.BLOCKED
    assert here.statuses()["G0"].reason.startswith("Persistence")
    assert "G0" not in {write.uuid for write in here.device.journal}


def test_a_clock_that_cannot_be_locked_leaves_the_limit_in_force(tmp_path):
    order = but(spec(400.0, gpus=1), gpus=(GpuOrder(uuid="G0", group="a", clock_mhz_max=1500),))
    here = rig(tmp_path, 1)
    here.device.gpus["G0"].errors["lock_clock"] = GpuBlocked("NotSupported: old card")
    here.enforced(order)

    assert here.device.gpus["G0"].limit_watts == pytest.approx(392.156)
    assert here.statuses()["G0"].outcome is Outcome.BLOCKED
    assert here.statuses()["G0"].reason.startswith("ClockNotSupported")


# -- heat ----------------------------------------------------------------------------------------------------------


def test_a_hot_gpu_is_slowed_within_one_safety_pass(tmp_path):
    here = rig(tmp_path).enforced(spec(1428.0), seconds=5)
    here.device.gpus["G0"].celsius = 82.0
    here.run(0.2)

    assert here.device.gpus["G0"].lock_mhz == 1875
    assert here.device.gpus["G1"].lock_mhz is None


def test_a_gpu_about_to_overheat_gets_the_least_at_once(tmp_path):
    here = rig(tmp_path).enforced(spec(1428.0), seconds=5)
    here.device.gpus["G0"].celsius = 86.0
    here.run(0.2)

    assert (here.device.gpus["G0"].limit_watts, here.device.gpus["G0"].lock_mhz) == (200.0, 345)
    assert here.statuses()["G0"].reason.startswith("Emergency")


def test_a_hardware_brake_is_told_and_not_tuned_against(tmp_path):
    here = rig(tmp_path).enforced(spec(1428.0))
    here.device.gpus["G0"].reasons = EventReason.HW_POWER_BRAKE
    here.run(5.0)

    assert here.device.journal == []
    assert here.view().gpus[0].sample.event_reasons == ("HW_POWER_BRAKE",)


# -- start and end -------------------------------------------------------------------------------------------------


def changed(tmp_path):
    """A predecessor that lowered limits and clocks and was killed."""
    order = but(
        spec(800.0), gpus=tuple(GpuOrder(uuid=f"G{i}", group=f"g{i}", clock_mhz_max=1500) for i in (0, 1))
    )
    here = rig(tmp_path, {"G0": FakeGpu(650.0, persistence=False), "G1": FakeGpu()}).enforced(
        order, seconds=8
    )
    assert limits(here) == pytest.approx({"G0": 392.156, "G1": 392.156})
    return here, order


def test_a_release_puts_back_what_was_there_and_acknowledges(tmp_path):
    here, order = changed(tmp_path)
    here.order(but(order, release=True), generation=2).run(8.0)

    g0, g1 = here.device.gpus.values()
    assert (g0.limit_watts, g0.lock_mhz, g0.persistence) == (650.0, None, False)
    assert (g1.limit_watts, g1.lock_mhz, g1.persistence) == (700.0, None, True)
    assert here.view().observed_generation == 2
    assert here.view().state is NodeState.RELEASED


def test_a_change_to_observe_puts_everything_back(tmp_path):
    here, order = changed(tmp_path)
    here.order(but(order, enforce=False), generation=2).run(8.0)

    assert limits(here) == {"G0": 650.0, "G1": 700.0}


def test_a_gpu_that_leaves_the_order_is_put_back(tmp_path):
    here, order = changed(tmp_path)
    here.order(but(order, gpus=order.gpus[1:], budget_watts=400.0), generation=2).run(8.0)

    assert limits(here)["G0"] == 650.0
    assert limits(here)["G1"] < 400.0


def test_a_restarted_agent_adopts_while_the_lease_is_valid(tmp_path):
    here, order = changed(tmp_path)
    before, written = limits(here), len(here.device.journal)
    here.start().order(order)
    here.run(10.0, renewing=False)

    assert here.governor.mode is Mode.ENFORCE
    assert limits(here) == before
    assert {write.call for write in here.device.journal[written:]} <= {"lock_clock"}
    assert {gpu.lock_mhz for gpu in here.device.gpus.values()} == {1500}
    assert here.statuses()["G0"].previous_watts == 650.0


def test_a_restarted_agent_with_an_ended_lease_raises_nothing_however_long_nobody_renews_it(tmp_path):
    """Who ordered is away, and others may still count on the limits of this node."""
    here, order = changed(tmp_path)
    here.at_seconds += 500
    here.start().order(order)
    here.run(600.0, renewing=False)

    assert here.governor.mode is Mode.FAILSAFE
    assert limits(here) == pytest.approx({"G0": 392.156, "G1": 392.156})


def test_a_restarted_agent_without_an_order_puts_back(tmp_path):
    here, _ = changed(tmp_path)
    here.start()
    here.run(2.0, renewing=False)
    assert limits(here)["G0"] < 400

    from wattline_agent.messages import OrderSeen

    here.hear(OrderSeen())
    here.run(8.0, renewing=False)
    assert limits(here) == {"G0": 650.0, "G1": 700.0}


def test_a_restarted_agent_that_cannot_be_told_of_an_order_loosens_nothing_however_long_that_takes(tmp_path):
    """The API server is away: others still count on the limits that this node was last seen under."""
    here, _ = changed(tmp_path)
    before, written = limits(here), len(here.device.journal)
    here.start()
    here.run(600.0, renewing=False)

    assert limits(here) == before
    assert here.device.journal[written:] == []


def test_after_a_reboot_nothing_is_ours_to_put_back(tmp_path):
    here, order = changed(tmp_path)
    for gpu in here.device.gpus.values():
        gpu.limit_watts, gpu.lock_mhz = 700.0, None
    written = len(here.device.journal)
    here.boot_id = "boot-2"
    here.start().order(order)
    here.run(30.0, renewing=False)

    assert here.device.journal[written:] == []


def test_a_stopping_agent_puts_back_what_can_be(tmp_path):
    here, _ = changed(tmp_path)
    here.device.gpus["G1"].lost = True
    done = False
    for _ in range(50):
        done = here.governor.stop(here.at_seconds)
        here.at_seconds += 0.2
        if done:
            break

    assert done
    assert here.device.gpus["G0"].limit_watts == 650.0
    assert list(here.governor.hands.record.record.gpus) == ["G1"]
