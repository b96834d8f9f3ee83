"""One GPU's call that says the driver is away or another one: the driver itself is asked before anybody believes it."""

import pynvml
import pytest
from tests.unit.agent.rig import but, rig, spec

from wattline.api.powernode import NodeState, Outcome
from wattline.model.errors import GpuError
from wattline_agent.device import DriverChanged
from wattline_agent.nvml_calls import refuse

SAYING_SO = [
    pytest.param(1, id="not initialised"),
    pytest.param(9, id="no driver loaded"),
    pytest.param(18, id="another driver"),
]


def error_of(code: int) -> GpuError:
    with pytest.raises(GpuError) as caught:
        refuse("nvmlDeviceGetTemperature", pynvml.NVMLError(code))
    return caught.value


def opened(here) -> int:
    return here.governor.hands.tally.reopened


@pytest.mark.parametrize("code", SAYING_SO)
def test_a_getter_of_one_gpu_that_says_so_for_good_keeps_no_other_from_being_tightened(tmp_path, code):
    here = rig(tmp_path).enforced(spec(1400.0))
    here.device.gpus["G0"].errors["read"] = error_of(code)
    here.run(30.0)
    here.order(but(here.governor.spec, budget_watts=1000.0), generation=2)
    here.run(30.0)

    assert here.view().state is NodeState.DEGRADED
    assert here.view().reason == "SensorLost: G0"
    assert here.statuses()["G1"].outcome is Outcome.APPLIED
    assert here.device.gpus["G1"].limit_watts * 1.02 + 714.0 <= 1000.0 + 1, (
        "the silent one counts at its most"
    )
    assert opened(here) <= 60 / here.settings.probe_seconds + 1


@pytest.mark.parametrize("code", SAYING_SO)
def test_the_gpu_is_held_again_once_it_answers(tmp_path, code):
    here = rig(tmp_path).enforced(spec(1000.0))
    here.device.gpus["G0"].errors["read"] = error_of(code)
    here.run(30.0)
    here.device.gpus["G0"].errors.clear()
    here.run(15.0)

    assert here.view().state is NodeState.ENFORCING
    assert {status.outcome for status in here.statuses().values()} == {Outcome.APPLIED}


@pytest.mark.parametrize("code", SAYING_SO)
def test_a_setter_that_says_so_is_a_write_that_failed(tmp_path, code):
    here = rig(tmp_path).enforced(spec(1400.0))
    here.device.gpus["G0"].errors["set_limit"] = error_of(code)
    here.order(but(here.governor.spec, budget_watts=900.0), generation=2)
    here.run(10.0)

    assert here.statuses()["G0"].outcome is Outcome.ERROR
    assert here.statuses()["G1"].outcome is Outcome.APPLIED
    assert here.device.gpus["G1"].limit_watts == 200.0, "it makes up for the one that cannot be written"


@pytest.mark.parametrize("code", SAYING_SO)
def test_the_only_gpu_of_a_node_that_says_so_goes_to_the_failsafe(tmp_path, code):
    here = rig(tmp_path, 1).enforced(but(spec(700.0, gpus=1), failsafe_watts=400.0))
    here.device.gpus["G0"].errors["read"] = error_of(code)
    here.run(30.0)

    assert here.view().reason == "SensorLost: G0"
    assert here.device.gpus["G0"].limit_watts <= 400.0


def test_a_driver_that_was_exchanged_ends_the_process_at_the_first_word_of_it(tmp_path):
    here = rig(tmp_path).enforced(spec(1000.0))

    class Exchanged(type(here.device)):
        def open(self):
            raise DriverChanged("DriverChanged: nvmlInit")

    here.device.__class__ = Exchanged
    here.device.gpus["G0"].errors["read"] = error_of(18)
    with pytest.raises(DriverChanged):
        here.run(0.2)


def test_what_a_driver_forgot_while_no_gpu_answered_is_nobody_elses_doing(tmp_path):
    here = rig(tmp_path).enforced(spec(1000.0))
    for gpu in here.device.gpus.values():
        gpu.errors["read"] = error_of(1)
    here.run(0.2)
    for gpu in here.device.gpus.values():
        gpu.errors.clear()
        gpu.limit_watts = 700.0
    here.run(5.0)

    assert here.governor.hands.tally.drifts["external"] == 0
    assert here.device.bound_watts() <= 1000.0
