"""The device loop in an emergency: urgent, only tighter, over by itself, and remembered."""

import pytest
from tests.unit.agent.rig import Rig, but, rig, spec

from wattline.api.powernode import EmergencyLevel, NodeState
from wattline_agent.budget import Kind
from wattline_agent.messages import EmergencySeen, OrderSeen

ROW = EmergencyLevel(level="row", budget_watts=800.0, duration_seconds=30.0)
HALL = EmergencyLevel(level="hall", budget_watts=600.0, duration_seconds=10.0)


def armed(budget_watts=1200.0, **changes):
    return but(spec(budget_watts), emergency=(ROW, HALL), **changes)


def signal(number=1, level="row", **changes):
    return EmergencySeen(level=level, number=number, way="http", **changes)


def bound(here):
    return here.device.bound_watts()


def level(here, name="row"):
    return next(each for each in here.view().emergencies if each.level == name)


def test_a_signal_is_in_force_and_read_back_after_the_next_look(tmp_path):
    here = rig(tmp_path).enforced(armed())
    assert not level(here).in_force
    here.hear(signal())
    here.run(0.2)

    assert bound(here) <= 800.0
    assert level(here).in_force
    source = here.view().budget_source
    assert (source.kind, source.name, source.until_seconds) == (Kind.EMERGENCY, "row", pytest.approx(1035.0))
    assert here.view().budget_watts == 800.0


def test_tightening_does_not_wait_for_the_second_between_two_writes(tmp_path):
    here = rig(tmp_path).enforced(armed())
    here.order(armed(1000.0), generation=2)
    here.run(0.2)
    written = len(here.device.journal)
    here.hear(signal())
    here.run(0.2)

    assert len(here.device.journal) > written
    assert bound(here) <= 800.0


def test_it_ends_by_itself_and_the_order_counts_again(tmp_path):
    here = rig(tmp_path).enforced(armed())
    here.hear(signal())
    for _ in range(29):
        here.run(1.0)
        assert bound(here) <= 800.0
    here.run(5.0)

    assert 1100.0 < bound(here) <= 1200.0
    assert here.view().budget_source.kind is Kind.ORDER
    assert level(here).until_seconds is None


def test_the_tightest_of_two_levels_counts_and_each_has_its_own_end(tmp_path):
    here = rig(tmp_path).enforced(armed())
    here.hear(signal())
    here.hear(signal(level="hall"))
    here.run(5.0)
    assert bound(here) <= 600.0
    assert level(here).in_force, "what is inside the tighter one is inside the other"
    here.run(10.0)

    assert 700.0 < bound(here) <= 800.0


def test_an_order_below_the_level_stays_the_tightest(tmp_path):
    here = rig(tmp_path).enforced(armed(700.0))
    here.hear(signal())
    here.run(2.0)

    assert here.view().budget_source.kind is Kind.ORDER
    assert bound(here) <= 700.0


def test_it_holds_after_the_lease_has_ended_and_is_not_raised_to_the_failsafe(tmp_path):
    here = rig(tmp_path).enforced(armed())
    here.run(70.0, renewing=False)
    assert here.view().state is NodeState.FAILSAFE
    here.hear(signal())
    here.run(1.0, renewing=False)

    assert bound(here) <= 800.0


def test_an_order_that_was_never_in_force_is_enough_to_tighten(tmp_path):
    here = rig(tmp_path)
    here.order(armed())
    here.run(2.0, renewing=False)
    assert here.device.journal == []
    here.hear(signal())
    here.run(0.4, renewing=False)

    assert bound(here) <= 800.0


def test_a_node_that_only_observes_arms_nothing(tmp_path):
    here = rig(tmp_path).enforced(armed(enforce=False))
    here.hear(signal())
    here.run(2.0)

    assert here.view().emergencies == ()
    assert here.device.journal == []


def test_a_level_below_what_devices_take_goes_to_their_least_and_says_it_is_in_force(tmp_path):
    low = EmergencyLevel(level="row", budget_watts=100.0, duration_seconds=30.0)
    here = rig(tmp_path).enforced(but(armed(), emergency=(low,)))
    here.hear(signal())
    here.run(0.4)

    assert [gpu.limit_watts for gpu in here.device.gpus.values()] == [200.0, 200.0]
    assert level(here).in_force


def test_a_gpu_that_somebody_else_writes_keeps_it_from_being_in_force(tmp_path):
    here = rig(tmp_path).enforced(armed())
    here.device.gpus["G0"].limit_watts = 650.0
    here.run(1.0)
    here.hear(signal())
    here.run(1.0)

    assert not level(here).in_force


def again(here: Rig, **changes) -> Rig:
    """The agent is killed and started again on the same devices and record."""
    for key, value in changes.items():
        setattr(here, key, value)
    return here.start()


def test_a_restart_of_the_device_process_keeps_level_and_end(tmp_path):
    here = rig(tmp_path).enforced(armed())
    here.hear(signal())
    here.run(5.0)
    again(here).order(armed())
    here.run(10.0)
    assert bound(here) <= 800.0
    assert level(here).until_seconds == pytest.approx(1035.0)
    here.hear(signal())
    assert level(here).until_seconds == pytest.approx(1035.0), (
        "the network process tells it again; it is known"
    )
    here.run(20.0)

    assert bound(here) > 1000.0


def test_a_signal_after_a_restart_tightens_though_nobody_can_say_what_is_ordered(tmp_path):
    here = rig(tmp_path).enforced(armed())
    again(here).run(5.0, renewing=False)
    assert here.view().reason == "Adopting"
    assert level(here).budget_watts == 800.0
    here.hear(signal())
    here.run(0.4, renewing=False)
    assert bound(here) <= 800.0
    here.run(40.0, renewing=False)

    assert bound(here) <= 800.0, "what ends it loosens nothing while nobody orders"
    here.hear(OrderSeen(uid="u", generation=1, spec=armed()))
    here.run(2.0)
    here.run(2.0)
    assert bound(here) > 1000.0


def test_a_reboot_in_the_middle_starts_the_duration_anew(tmp_path):
    here = rig(tmp_path).enforced(armed())
    here.hear(signal())
    here.run(25.0)
    for gpu in here.device.gpus.values():
        gpu.limit_watts = 700.0
    again(here, boot_id="boot-2", at_seconds=50.0)
    here.enforced(armed(), seconds=1.0)
    assert bound(here) <= 800.0
    here.run(28.0)
    assert bound(here) <= 800.0
    here.run(5.0)

    assert bound(here) > 1000.0


@pytest.mark.parametrize(
    ("renewing", "over"),
    [
        pytest.param(True, True, id="somebody renews the order that counts then: it ends"),
        pytest.param(False, False, id="nobody does: it is left to its duration"),
    ],
)
def test_an_early_end(tmp_path, renewing, over):
    here = rig(tmp_path).enforced(
        but(armed(), emergency=(ROW.model_copy(update={"duration_seconds": 300.0}),))
    )
    here.hear(signal())
    here.run(1.0)
    here.run(62.0, renewing=renewing)
    if renewing:
        here.renew()
    here.hear(signal(2, action="end"))
    here.run(3.0, renewing=renewing)

    assert (level(here).until_seconds is None) is over


def test_a_full_disk_does_not_keep_it_from_tightening(tmp_path):
    full = []

    def write(path, text):
        if full:
            raise OSError("No space left on device")
        path.write_text(text)

    here = rig(tmp_path, write=write).enforced(armed())
    full.append(True)
    here.hear(signal())
    here.run(0.4)

    assert bound(here) <= 800.0
