"""Decisions people can read: every change of limit and clock with old and new, refusals, changes of state."""

from tests.unit.agent.rig import but, load, loads, replica, rig, spec

from wattline.api.powernode import EmergencyLevel, PodGpus
from wattline.model.errors import GpuBlocked
from wattline_agent.messages import EmergencySeen, OrderSeen
from wattline_agent.reasons import Reasons


def told(reasons: Reasons, of: str | None = None) -> list[tuple[str, str, str]]:
    return [(each.about, each.what, each.why) for each in reasons.view(of).decisions]


def followed(here, order, seconds: float = 8.0, pods=()) -> Reasons:
    """What the network process notes of a node over some time, with a view every second."""
    reasons, seen = Reasons("n1"), OrderSeen(spec=order)
    here.order(order)
    for _ in range(round(seconds)):
        here.run(1.0, loads=loads(load(0), load(1)))
        reasons.take(here.view(), seen, pods)
    return reasons


def test_a_limit_that_is_lowered_is_told_of_the_gpu_with_old_new_and_why(tmp_path):
    told_of_gpu = told(followed(rig(tmp_path), but(spec(1000.0), replicas=())), "gpu/G0")

    assert told_of_gpu[0][:2] == ("GPU/G0", "n1 G0: limit 700 → 490 W")
    assert told_of_gpu[0][2].startswith("BudgetShared: ")


def test_who_asks_after_a_pool_or_a_pod_is_told_what_became_of_its_gpus_and_it_is_kept_once(tmp_path):
    order = but(spec(1000.0), replicas=(replica(0).model_copy(update={"pool": "agents/coder"}),))
    pods = (PodGpus(namespace="agents", name="coder-0", gpus=("G0",)),)
    reasons = followed(rig(tmp_path), order, pods=pods)

    of_gpu = told(reasons, "gpu/G0")
    assert of_gpu
    assert told(reasons, "inferencepool/agents/coder") == told(reasons, "pod/agents/coder-0") == of_gpu
    assert told(reasons, "pod/other/coder-0") == []
    assert len([each for each in told(reasons) if each[0] == "GPU/G0"]) == len(of_gpu)


def test_a_move_is_told_once_though_every_view_of_five_seconds_has_it(tmp_path):
    reasons = followed(rig(tmp_path), but(spec(1000.0), replicas=()))
    limits = [what for about, what, _ in told(reasons) if about == "GPU/G0" and "limit" in what]

    assert limits == ["n1 G0: limit 700 → 490 W"]


def test_a_clock_is_told_in_megahertz_and_full_speed_by_its_name(tmp_path):
    order = spec(1000.0)
    bounded = but(order, gpus=tuple(gpu.model_copy(update={"clock_mhz_max": 1500}) for gpu in order.gpus))
    reasons = followed(rig(tmp_path), but(bounded, replicas=()))

    assert "n1 G0: clock full speed → 1500 MHz" in [what for _, what, _ in told(reasons, "GPU/G0")]


def test_an_emergency_is_told_of_the_node_when_it_begins_and_when_it_ends(tmp_path):
    here = rig(tmp_path)
    level = EmergencyLevel(level="row-a", budget_watts=700.0, duration_seconds=2.0)
    reasons = followed(here, but(spec(1000.0), emergency=(level,)))
    here.hear(EmergencySeen(level="row-a", number=1, way="http"))
    for _ in range(4):
        here.run(1.0)
        reasons.take(here.view(), None)

    assert [what for _, what, _ in told(reasons, "powernode/n1") if "Emergency" in what] == [
        "budget by Order → by Emergency row-a",
        "budget by Emergency row-a → by Order",
    ]


def test_a_release_is_told_with_its_reason(tmp_path):
    here = rig(tmp_path)
    followed(here, but(spec(1000.0), replicas=()))
    reasons = Reasons("n1")
    here.order(but(spec(1000.0), release=True, replicas=()), generation=2)
    for _ in range(5):
        here.run(1.0)
        reasons.take(here.view(), None)

    assert ("GPU/G0", "n1 G0: limit 490 → 700 W", "Releasing: the order says to put everything back") in told(
        reasons
    )


def test_heat_is_told_as_the_reason(tmp_path):
    here = rig(tmp_path).enforced(but(spec(1400.0), replicas=()))
    here.device.gpus["G0"].celsius = 86.0
    here.run(2.0)
    reasons = Reasons("n1")
    reasons.take(here.view(), None)

    assert any(why.startswith("Heat: emergency") for _, _, why in told(reasons, "GPU/G0"))


def test_a_refusal_is_told_once_and_again_only_after_it_changed(tmp_path):
    here = rig(tmp_path)
    here.device.gpus["G0"].errors["set_limit"] = GpuBlocked("Permissions: not root")
    reasons = followed(here, but(spec(1000.0), replicas=()))

    refused = [each for each in told(reasons, "GPU/G0") if each[1] == "n1 G0: blocked"]
    assert [why for _, _, why in refused] == ["Permissions: not root"]


def test_a_change_of_state_is_told_of_the_node(tmp_path):
    here = rig(tmp_path).enforced(but(spec(1000.0), replicas=()))
    reasons = Reasons("n1")
    for _ in range(70):
        here.run(1.0, renewing=False)
        reasons.take(here.view(), None)

    assert ("PowerNode/n1", "Enforcing → Failsafe", "LeaseEnded") in told(reasons, "powernode/n1")


def test_a_device_process_that_starts_again_counts_from_one_and_is_still_heard(tmp_path):
    here = rig(tmp_path)
    reasons = followed(here, but(spec(1000.0), replicas=()))
    before = len(told(reasons, "GPU/G0"))
    here.start()
    here.order(but(spec(800.0), replicas=()), generation=2)
    for _ in range(10):
        here.run(1.0)
        reasons.take(here.view(), None)

    assert len(told(reasons, "GPU/G0")) > before
