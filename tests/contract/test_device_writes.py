"""What an agent's device does when it is written to: held by NVML over the fake library and by the world's own double."""

import ast
import inspect
from dataclasses import replace
from pathlib import Path

import pynvml
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contract.machine import Machine, in_process, through_nvml

from wattline.fake.nvml import Call, Faults
from wattline.model.errors import GpuBlocked, GpuError, GpuLost
from wattline.model.gpu import EventReason, Ramp, Tuned
from wattline.world.gpu import PRODUCTS
from wattline.world.load import IDLE, compute_bound
from wattline_agent import nvml_calls


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_device_says_what_its_gpus_are(make, product):
    found = make(product).device.open()

    want = PRODUCTS[product]
    assert [identity.uuid for identity in found] == ["GPU-0", "GPU-1"]
    for identity in found:
        assert identity.product == want.device_name
        assert (identity.min_watts, identity.max_watts) == (want.min_watts, want.max_watts)
        assert identity.default_watts == want.max_watts
        assert identity.clocks_mhz == want.clocks_mhz
        assert identity.slowdown_celsius == want.slowdown_celsius


def test_an_idle_gpu_reads_as_one(make):
    machine = make()
    machine.work(10, IDLE)

    reading = machine.device.read("GPU-0")

    assert reading.at_seconds == 10
    assert reading.watts == pytest.approx(100, abs=5)
    assert reading.energy_joules == pytest.approx(1000, abs=50)
    assert reading.clock_mhz == 345
    assert reading.limit_watts == reading.asked_watts == 700
    assert reading.reasons == EventReason.IDLE
    assert reading.persistence


def test_work_draws_power_takes_the_full_clock_and_heats(make):
    machine = make()
    machine.work(1, IDLE)
    idle = machine.device.read("GPU-0")
    machine.work(60)

    reading = machine.device.read("GPU-0")

    assert reading.clock_mhz > 1500
    assert reading.watts > 600
    assert reading.celsius > idle.celsius + 20
    assert reading.margin_celsius < idle.margin_celsius - 20


@pytest.mark.parametrize(("product", "has_margin"), [("h100", True), ("h200", True), ("a100", False)])
def test_margins_are_told_by_the_products_that_have_them(make, product, has_margin):
    reading = make(product).device.read("GPU-1")

    assert (reading.margin_celsius is not None) is has_margin


@pytest.mark.parametrize(
    ("answer", "want"),
    [
        pytest.param({"value": 84}, 84.0, id="a threshold is told"),
        pytest.param({"value": 0}, None, id="a threshold of 0 is not told"),
        pytest.param({"code": pynvml.NVML_ERROR_NOT_SUPPORTED}, None, id="nor one that is not supported"),
        pytest.param({"code": pynvml.NVML_ERROR_UNKNOWN}, None, id="nor one that cannot be read"),
    ],
)
def test_a_slowdown_threshold_is_told_or_unknown(driver_path, answer, want):
    machine = through_nvml("a100", driver_path)
    assert machine.bank is not None
    Faults(machine.bank.mapping).set(Call.TEMPERATURE_THRESHOLD, 0, **answer)

    found = machine.device.open()

    assert [identity.slowdown_celsius for identity in found] == [want, 87.0]
    machine.device.close()


def test_what_holds_the_clock_low_is_told_by_the_drivers_own_counters(driver_path):
    machine = through_nvml("h100", driver_path)
    machine.device.open()
    machine.device.set_limit("GPU-0", 300)
    machine.work(5)
    machine.work(5)

    counted = dict(machine.device.read("GPU-0").event_seconds)

    assert counted[EventReason.SW_POWER_CAP] == pytest.approx(10, abs=5)
    assert counted[EventReason.HW_POWER_BRAKE] == counted[EventReason.HW_THERMAL] == 0
    machine.device.close()


def test_a_counter_that_a_device_does_not_have_is_left_out(driver_path):
    machine = through_nvml("h100", driver_path)
    assert machine.bank is not None
    Faults(machine.bank.mapping).hide_fields(0, 271)
    machine.device.open()

    counted = dict(machine.device.read("GPU-0").event_seconds)

    assert EventReason.HW_POWER_BRAKE not in counted
    assert EventReason.HW_THERMAL in counted
    machine.device.close()


class TestLimit:
    def test_a_limit_is_read_back_and_holds(self, make):
        machine = make()
        machine.device.set_limit("GPU-0", 400.5)
        asked = machine.device.read("GPU-0")
        machine.work(5)

        reading, other = machine.device.read("GPU-0"), machine.device.read("GPU-1")

        assert asked.limit_watts == asked.asked_watts == 400.5
        assert reading.watts <= 401
        assert reading.reasons & EventReason.SW_POWER_CAP
        assert (other.limit_watts, other.watts > 500) == (700, True)

    @pytest.mark.parametrize("watts", [199.9, 700.1], ids=["below the range", "above the range"])
    def test_a_limit_out_of_range_is_an_error_and_changes_nothing(self, make, watts):
        machine = make()

        with pytest.raises(GpuError):
            machine.device.set_limit("GPU-0", watts)

        assert machine.device.read("GPU-0").limit_watts == 700


class TestClock:
    @pytest.mark.parametrize(
        ("product", "asked_mhz", "want_mhz"),
        [
            pytest.param("h100", 900, 900, id="a supported clock"),
            pytest.param("h100", 914, 900, id="another snaps down"),
            pytest.param("h200", 1980, 1830, id="H200 clamps a lock at its maximum"),
        ],
    )
    def test_a_lock_holds_after_it_has_settled(self, make, product, asked_mhz, want_mhz):
        machine = make(product)
        machine.device.lock_clock("GPU-0", asked_mhz)
        machine.work(2, compute_bound(300))

        assert machine.device.read("GPU-0").clock_mhz == want_mhz

    def test_a_clock_below_the_slowest_is_an_error(self, make):
        with pytest.raises(GpuError):
            make().device.lock_clock("GPU-0", 344)

    def test_given_back_the_clock_goes_to_its_maximum(self, make):
        machine = make("h200")
        machine.device.lock_clock("GPU-0", 900)
        machine.work(2, compute_bound(300))
        machine.device.lock_clock("GPU-0", None)
        machine.work(2, compute_bound(300))

        assert machine.device.read("GPU-0").clock_mhz == 1980


def test_persistence_is_switched_and_read_back(make):
    device = make().device
    device.set_persistence("GPU-0", on=False)

    assert not device.read("GPU-0").persistence
    assert device.read("GPU-1").persistence


def test_settings_stay_when_the_device_is_closed(make):
    device = make().device
    device.set_limit("GPU-0", 300)
    device.close()
    device.open()

    assert device.read("GPU-0").limit_watts == 300


def test_a_closed_device_answers_nothing_and_closes_again(make):
    device = make().device
    device.close()
    device.close()

    with pytest.raises(GpuError):
        device.read("GPU-0")


def test_without_rights_settings_are_blocked_and_readings_are_not(make):
    machine = make()
    machine.take_rights()

    for blocked in (
        lambda: machine.device.set_limit("GPU-0", 300),
        lambda: machine.device.lock_clock("GPU-0", 900),
        lambda: machine.device.lock_clock("GPU-0", None),
        lambda: machine.device.set_persistence("GPU-0", on=False),
    ):
        with pytest.raises(GpuBlocked, match=r"^Permissions: "):
            blocked()
    assert machine.device.read("GPU-0").limit_watts == 700


class TestNewer:
    """What a device can do by itself, and its parts."""

    def test_a_device_says_what_it_can(self, make):
        assert {(each.tunes, each.ramps) for each in make(newer=True).device.open()} == {(True, True)}

    def test_one_that_cannot_says_so_and_refuses(self, make):
        machine = make()
        reading = machine.device.read("GPU-0")

        assert {(each.tunes, each.ramps) for each in machine.device.open()} == {(False, False)}
        assert (reading.tuned, reading.ramp) == (None, None)
        for refused in (
            lambda: machine.device.set_tuned("GPU-0", on=True),
            lambda: machine.device.set_ramp(
                "GPU-0", Ramp(on=True, preset=0, up_watts_per_second=9, floor_percent=0)
            ),
        ):
            with pytest.raises(GpuBlocked, match=r"^NotSupported: "):
                refused()

    def test_tuning_is_asked_for_read_back_and_given_up(self, make):
        machine = make(newer=True)
        before = machine.device.read("GPU-0").tuned
        machine.device.set_tuned("GPU-0", on=True)
        asked, other = machine.device.read("GPU-0").tuned, machine.device.read("GPU-1").tuned
        machine.device.set_tuned("GPU-0", on=False)

        assert (before, asked, other) == (Tuned.OFF, Tuned.ON, Tuned.OFF)
        assert machine.device.read("GPU-0").tuned is Tuned.OFF

    def test_what_others_asked_for_can_exclude_it_and_stays(self, make):
        machine = make(newer=True)
        machine.exclude(0)

        assert machine.device.read("GPU-0").tuned is Tuned.EXCLUDED
        if machine.bank is not None:
            machine.device.set_tuned("GPU-0", on=True)
            assert machine.bank.mapping.settings(0).profiles == {6, 7}
            assert machine.device.read("GPU-0").tuned is Tuned.OVERRULED
            machine.device.set_tuned("GPU-0", on=False)
            assert machine.bank.mapping.settings(0).profiles == {7}

    @pytest.mark.parametrize("on", [True, False])
    def test_a_ramp_is_read_back(self, make, on):
        machine = make(newer=True)
        wanted = Ramp(on=on, preset=3, up_watts_per_second=125.5, floor_percent=20.0)
        machine.device.set_ramp("GPU-0", wanted)

        assert machine.device.read("GPU-0").ramp == wanted
        assert machine.device.read("GPU-1").ramp != wanted

    def test_without_rights_neither_is_changed(self, make):
        machine = make(newer=True)
        before = machine.device.read("GPU-0")
        machine.take_rights()

        for blocked in (
            lambda: machine.device.set_tuned("GPU-0", on=True),
            lambda: machine.device.set_ramp("GPU-0", replace(before.ramp, on=True)),
        ):
            with pytest.raises(GpuBlocked, match=r"^Permissions: "):
                blocked()
        after = machine.device.read("GPU-0")
        assert (after.tuned, after.ramp) == (before.tuned, before.ramp)

    def test_parts_are_told_and_the_limit_is_the_wholes(self, make):
        machine = make()
        machine.divide(0, "MIG-1", "MIG-2")
        machine.device.set_limit("GPU-0", 300)

        divided, other = machine.device.read("GPU-0"), machine.device.read("GPU-1")
        assert (divided.parts, divided.limit_watts, other.parts) == (("MIG-1", "MIG-2"), 300, ())
        assert [identity.uuid for identity in machine.device.open()] == ["GPU-0", "GPU-1"]

    def test_parts_that_come_later_are_seen_within_ten_seconds(self, make):
        machine = make()
        machine.device.read("GPU-0")
        machine.divide(0, "MIG-1")
        machine.work(10)

        assert machine.device.read("GPU-0").parts == ("MIG-1",)

    @pytest.mark.parametrize(
        "call",
        [Call.CURRENT_PROFILES, Call.MIG_MODE, Call.PART_BY_INDEX, Call.UUID],
        ids=lambda call: call.name,
    )
    def test_a_reading_without_it_is_a_reading(self, driver_path, call):
        machine = through_nvml("h200", driver_path, newer=True)
        machine.divide(0, "MIG-1")
        machine.device.open()
        assert machine.bank is not None
        Faults(machine.bank.mapping).set(call, 0, code=999)

        assert machine.device.read("GPU-0").limit_watts == 700
        machine.device.close()

    @pytest.mark.parametrize("call", [Call.PROFILES_INFO, Call.FIELD_VALUES], ids=lambda call: call.name)
    @pytest.mark.parametrize("code", [3, 4, 25, 999])
    def test_a_gpu_that_does_not_tell_what_it_can_is_a_gpu(self, driver_path, call, code):
        machine = through_nvml("h200", driver_path, newer=True)
        assert machine.bank is not None
        Faults(machine.bank.mapping).set(call, 0, code=code)

        first, second = machine.device.open()
        assert (first.tunes and first.ramps, second.tunes and second.ramps) == (False, True)
        machine.device.close()


class TestLostGpu:
    @pytest.mark.parametrize(
        "use",
        [
            pytest.param(lambda device: device.read("GPU-0"), id="read"),
            pytest.param(lambda device: device.set_limit("GPU-0", 300), id="limit"),
            pytest.param(lambda device: device.lock_clock("GPU-0", 900), id="clock"),
        ],
    )
    def test_it_says_so_and_its_neighbour_goes_on(self, make, use):
        machine = make()
        machine.lose(0)

        with pytest.raises(GpuLost, match=r"^GpuLost: "):
            use(machine.device)
        assert machine.device.read("GPU-1").limit_watts == 700

    def test_it_is_found_again_once_it_is_back(self, make):
        machine = make()
        machine.lose(0)
        without = machine.device.open()
        machine.bring_back(0)
        again = machine.device.open()

        assert [identity.uuid for identity in without] == ["GPU-1"]
        assert [identity.uuid for identity in again] == ["GPU-0", "GPU-1"]
        assert machine.device.read("GPU-0").limit_watts == 700

    def test_a_gpu_nobody_has_heard_of_is_lost_too(self, make):
        with pytest.raises(GpuLost):
            make().device.read("GPU-7")


STEPS = st.one_of(
    st.tuples(st.just("limit"), st.floats(150, 750).map(lambda watts: round(watts, 3))),
    st.tuples(st.just("clock"), st.one_of(st.none(), st.integers(200, 2100))),
    st.tuples(st.just("work"), st.floats(0.05, 30).map(lambda seconds: round(seconds, 2))),
    st.tuples(st.just("rest"), st.floats(0.05, 30).map(lambda seconds: round(seconds, 2))),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(product=st.sampled_from(sorted(PRODUCTS)), steps=st.lists(STEPS, max_size=12))
def test_both_devices_tell_the_same_story(driver_path, product, steps):
    machines = [in_process(product), through_nvml(product, driver_path)]
    for machine in machines:
        machine.device.open()
    try:
        for what, value in steps:
            stories = [_tell(machine, what, value) for machine in machines]
            assert stories[0] == stories[1]
    finally:
        for machine in machines:
            machine.device.close()


def _tell(machine: Machine, what: str, value):
    try:
        match what:
            case "limit":
                machine.device.set_limit("GPU-0", value)
            case "clock":
                machine.device.lock_clock("GPU-0", value)
            case "work":
                machine.work(value)
            case "rest":
                machine.work(value, IDLE)
    except GpuError as error:
        return type(error)
    reading = machine.device.read("GPU-0")
    margin = reading.margin_celsius
    margin = None if margin is None else float(margin)
    return reading._replace(margin_celsius=margin, event_seconds=())  # the driver alone counts events


class TestCallsOfTheAgent:
    def test_every_call_is_listed_and_in_nvidia_ml_py(self):
        folder = Path(nvml_calls.__file__).parent
        used = {
            node.value
            for path in folder.glob("nvml*.py")
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and node.value.startswith("nvml")
            and node.value.isidentifier()
        }

        assert used == set(nvml_calls.CALLS)
        assert [name for name in nvml_calls.CALLS if not callable(getattr(pynvml, name, None))] == []

    def test_none_of_them_is_one_whose_return_code_the_package_drops(self):
        calls = [inspect.getsource(getattr(pynvml, name)) for name in nvml_calls.CALLS]

        assert all(
            "_nvmlCheckReturn" in call or "NVMLError(ret)" in call or "nvmlInit" in call for call in calls
        )

    def test_the_limit_setter_with_scopes_drops_it_still_so_it_is_not_used(self):
        assert "_nvmlCheckReturn" not in inspect.getsource(pynvml.nvmlDeviceSetPowerManagementLimit_v2)
        assert "nvmlDeviceSetPowerManagementLimit_v2" not in nvml_calls.CALLS
