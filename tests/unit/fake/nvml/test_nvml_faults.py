"""What goes wrong on command goes wrong there, and nowhere else."""

import os
import signal
import subprocess
import threading
import time
from itertools import pairwise
from random import Random

import pynvml
import pytest
from tests.unit.fake.nvml.codes import code_of

from wattline.fake.nvml import Call, Point


def set_400_watts():
    pynvml.nvmlInit()
    pynvml.nvmlDeviceSetPowerManagementLimit(pynvml.nvmlDeviceGetHandleByIndex(0), 400_000)


def test_a_code_strikes_one_call_of_one_gpu(gpu, faults):
    other = pynvml.nvmlDeviceGetHandleByIndex(1)
    faults.set(Call.POWER_USAGE, 0, code=pynvml.NVML_ERROR_UNKNOWN)

    assert code_of(pynvml.nvmlDeviceGetPowerUsage, gpu) == pynvml.NVML_ERROR_UNKNOWN
    assert code_of(pynvml.nvmlDeviceGetPowerUsage, other) == 0
    assert code_of(pynvml.nvmlDeviceGetTemperature, gpu, 0) == 0


def test_a_fault_can_end_after_some_times_or_on_command(gpu, faults):
    faults.set(Call.POWER_USAGE, 0, code=10, times=2)
    faults.set(Call.NAME, 0, code=10)

    assert [code_of(pynvml.nvmlDeviceGetPowerUsage, gpu) for _ in range(3)] == [10, 10, 0]
    assert code_of(pynvml.nvmlDeviceGetName, gpu) == 10
    faults.clear()
    assert code_of(pynvml.nvmlDeviceGetName, gpu) == 0


def test_calls_that_name_no_gpu_can_fail(bank, faults):
    faults.set(Call.INIT, code=pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH)

    assert code_of(pynvml.nvmlInit) == pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH
    assert code_of(pynvml.nvmlDeviceGetCount) == pynvml.NVML_ERROR_UNINITIALIZED


def test_a_sensor_can_lie(gpu, faults):
    faults.set(Call.TEMPERATURE, 0, value=120)

    assert pynvml.nvmlDeviceGetTemperature(gpu, 0) == 120


def test_a_call_hangs_for_its_time(gpu, faults):
    faults.set(Call.POWER_USAGE, 0, hang_seconds=0.05)

    began = time.monotonic()
    pynvml.nvmlDeviceGetPowerUsage(gpu)

    assert time.monotonic() - began >= 0.05


def test_a_call_that_hangs_for_ever_ends_when_the_fault_does(gpu, faults):
    faults.set(Call.POWER_USAGE, 0, hang_seconds=float("inf"))
    caller = threading.Thread(target=pynvml.nvmlDeviceGetPowerUsage, args=(gpu,))
    caller.start()

    caller.join(0.05)
    hung = caller.is_alive()
    faults.clear(Call.POWER_USAGE, 0)
    caller.join(5)

    assert hung
    assert not caller.is_alive()


def test_a_setter_that_hangs_with_the_lock_stops_all_setters_and_no_getter(bank, gpu, faults):
    other = pynvml.nvmlDeviceGetHandleByIndex(1)
    faults.set(Call.SET_POWER_LIMIT, 0, hang_seconds=float("inf"), point=Point.LOCKED)
    first = threading.Thread(target=pynvml.nvmlDeviceSetPowerManagementLimit, args=(gpu, 400_000))
    first.start()
    first.join(0.02)
    second = threading.Thread(target=pynvml.nvmlDeviceSetPowerManagementLimit, args=(other, 400_000))
    second.start()
    second.join(0.05)

    stuck = second.is_alive()
    limit = pynvml.nvmlDeviceGetPowerManagementLimit(other)
    faults.clear()
    for thread in (first, second):
        thread.join(5)

    assert stuck
    assert limit == 700_000
    assert [bank.mapping.settings(index).limit_watts for index in range(2)] == [400, 400]


def test_a_slow_driver_takes_its_time_for_each_setter(gpu, faults):
    faults.setters_take(0.03)

    began = time.monotonic()
    pynvml.nvmlDeviceSetPowerManagementLimit(gpu, 400_000)

    assert time.monotonic() - began >= 0.03


def test_a_slow_drivers_setters_vary_within_their_range(gpu, faults):
    faults.setters_take(0.01, 0.06)
    took = []
    for milliwatts in range(400_000, 408_000, 1000):
        began = time.monotonic()
        pynvml.nvmlDeviceSetPowerManagementLimit(gpu, milliwatts)
        took.append(time.monotonic() - began)

    assert min(took) >= 0.01
    assert max(took) - min(took) > 0.01


def test_where_one_lock_serves_all_devices_a_setter_holds_up_the_readings_of_others(gpu, faults):
    other = pynvml.nvmlDeviceGetHandleByIndex(1)
    faults.one_lock(on=True)
    faults.setters_take(0.2)
    setter = threading.Thread(target=pynvml.nvmlDeviceSetPowerManagementLimit, args=(gpu, 400_000))
    setter.start()
    time.sleep(0.05)

    began = time.monotonic()
    pynvml.nvmlDeviceGetPowerUsage(other)
    setter.join(5)

    assert time.monotonic() - began > 0.05


def test_a_driver_that_sets_something_else_says_success_and_its_record_is_true(gpu, bank, faults):
    faults.set(Call.SET_POWER_LIMIT, 0, value=650_000, times=1)
    pynvml.nvmlDeviceSetPowerManagementLimit(gpu, 400_000)

    assert pynvml.nvmlDeviceGetPowerManagementLimit(gpu) == 650_000
    assert bank.mapping.journal()[-1].new == 650_000


def test_a_gpu_falls_off_the_bus_at_a_call(gpu, bank, faults):
    faults.set(Call.TEMPERATURE, 0, loses=True, times=1)
    pynvml.nvmlDeviceGetPowerUsage(gpu)

    for call in (
        lambda: pynvml.nvmlDeviceGetTemperature(gpu, 0),
        lambda: pynvml.nvmlDeviceGetPowerUsage(gpu),
    ):
        with pytest.raises(pynvml.NVMLError_GpuIsLost):
            call()
    assert bank.mapping.settings(0).limit_watts == 700


def test_a_call_of_one_process_may_be_the_end_of_another(gpu, faults):
    sleeper = subprocess.Popen(["sleep", "30"])
    faults.set(Call.SET_POWER_LIMIT, 0, dies=True, victim=sleeper.pid, point=Point.RECORDED, times=1)
    pynvml.nvmlDeviceSetPowerManagementLimit(gpu, 400_000)

    assert sleeper.wait(5) == -signal.SIGKILL


@pytest.mark.parametrize(
    ("point", "made"),
    [
        pytest.param(Point.BEFORE, False, id="before anything"),
        pytest.param(Point.LOCKED, False, id="with the lock"),
        pytest.param(Point.RECORDED, False, id="with the record begun"),
        pytest.param(Point.WRITTEN, True, id="with the setting made"),
        pytest.param(Point.AFTER, True, id="before the caller knows"),
    ],
)
def test_a_setter_killed_anywhere_leaves_a_whole_driver_and_a_true_record(bank, faults, forked, point, made):
    faults.set(Call.SET_POWER_LIMIT, 0, dies=True, point=point, times=1)

    ended = forked(set_400_watts)
    with bank.mapping.locked():  # what the next holder of the lock finds
        settings = bank.mapping.settings(0)
        last = bank.mapping.journal()[-1]

    assert ended == [-signal.SIGKILL]
    assert settings.limit_watts == (400 if made else 700)
    if last.call is Call.SET_POWER_LIMIT:
        assert (last.code == 0) is made
    else:
        assert not made
    assert forked(set_400_watts) == [0]
    assert bank.mapping.settings(0).limit_watts == 400


@pytest.mark.parametrize("point", [Point.LOCKED, Point.RECORDED, Point.WRITTEN])
def test_the_next_setter_in_another_process_settles_what_a_killed_one_left(bank, faults, forked, point):
    faults.set(Call.SET_POWER_LIMIT, 0, dies=True, point=point, times=1)
    forked(set_400_watts)

    assert forked(set_400_watts) == [0]

    records = [record for record in bank.mapping.journal() if record.call is Call.SET_POWER_LIMIT]
    assert None not in {record.code for record in records}
    assert (records[-1].old, records[-1].new) == (400_000 if point is Point.WRITTEN else 700_000, 400_000)


def test_writers_killed_at_any_instant_leave_an_unbroken_record(bank):
    def write_for_ever():
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        while True:
            for milliwatts in range(300_000, 400_000):
                pynvml.nvmlDeviceSetPowerManagementLimit(handle, milliwatts)

    rng = Random(1)
    for _ in range(20):
        before = bank.mapping.node.setter_head
        child = os.fork()
        if child == 0:
            try:
                write_for_ever()
            finally:
                os._exit(1)
        while bank.mapping.node.setter_head == before:
            time.sleep(0.0002)
        time.sleep(rng.uniform(0, 0.002))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    with bank.mapping.locked():
        chain = [record for record in bank.mapping.journal() if record.gpu == 0]
        in_force = bank.mapping.settings(0).asked_watts * 1000

    made = [record for record in chain if record.code == 0]
    assert len(made) > 20
    assert None not in {record.code for record in chain}
    assert all(later.old == earlier.new for earlier, later in pairwise(made))
    assert made[-1].new == in_force


@pytest.mark.parametrize(
    ("point", "made"),
    [
        pytest.param(Point.BEFORE, False, id="refused"),
        pytest.param(Point.RECORDED, False, id="failed inside"),
        pytest.param(Point.WRITTEN, True, id="made, and yet an error"),
        pytest.param(Point.AFTER, True, id="made, and the answer lost"),
    ],
)
def test_a_setters_error_says_nothing_of_what_the_device_did(bank, gpu, faults, point, made):
    faults.set(Call.SET_POWER_LIMIT, 0, code=pynvml.NVML_ERROR_UNKNOWN, point=point)

    code = code_of(pynvml.nvmlDeviceSetPowerManagementLimit, gpu, 400_000)

    assert code == pynvml.NVML_ERROR_UNKNOWN
    assert bank.mapping.settings(0).limit_watts == (400 if made else 700)
    assert bank.mapping.journal()[-1].code == (0 if made else pynvml.NVML_ERROR_UNKNOWN)


class TestLostGpu:
    def test_every_call_on_it_says_so_and_the_others_go_on(self, gpu, faults):
        other = pynvml.nvmlDeviceGetHandleByIndex(1)
        faults.lose(0)

        assert code_of(pynvml.nvmlDeviceGetPowerUsage, gpu) == pynvml.NVML_ERROR_GPU_IS_LOST
        assert (
            code_of(pynvml.nvmlDeviceSetPowerManagementLimit, gpu, 400_000) == pynvml.NVML_ERROR_GPU_IS_LOST
        )
        assert code_of(pynvml.nvmlDeviceGetHandleByIndex, 0) == pynvml.NVML_ERROR_GPU_IS_LOST
        assert code_of(pynvml.nvmlDeviceGetPowerUsage, other) == 0
        assert pynvml.nvmlDeviceGetCount() == 2

    def test_once_back_it_needs_a_new_session_and_has_default_settings(self, bank, gpu, faults):
        pynvml.nvmlDeviceSetPowerManagementLimit(gpu, 400_000)
        faults.lose(0)
        faults.bring_back(0)

        with_old_handle = code_of(pynvml.nvmlDeviceGetPowerUsage, gpu)
        pynvml.nvmlShutdown()
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(b"GPU-0")

        assert with_old_handle == pynvml.NVML_ERROR_GPU_IS_LOST
        assert pynvml.nvmlDeviceGetPowerManagementLimit(handle) == 700_000


class TestDriver:
    def test_an_unloaded_driver_answers_nobody_and_comes_back_with_defaults(self, bank, gpu, faults):
        pynvml.nvmlDeviceSetPowerManagementLimit(gpu, 400_000)
        faults.unload_driver()
        in_session = code_of(pynvml.nvmlDeviceGetPowerUsage, gpu)
        code_of(pynvml.nvmlShutdown)
        at_init = code_of(pynvml.nvmlInit)
        faults.load_driver()
        pynvml.nvmlInit()

        assert in_session == at_init == pynvml.NVML_ERROR_DRIVER_NOT_LOADED
        assert bank.mapping.settings(0).limit_watts == 700

    def test_a_reload_may_leave_handles_live_or_dead(self, gpu, faults):
        faults.reload_driver()
        live = code_of(pynvml.nvmlDeviceGetPowerUsage, gpu)
        faults.reload_driver(handles_live=False)

        assert live == 0
        assert code_of(pynvml.nvmlDeviceGetPowerUsage, gpu) == pynvml.NVML_ERROR_GPU_IS_LOST

    def test_mig_takes_utilisation_away(self, gpu, faults):
        faults.partition(0, on=True)

        assert pynvml.nvmlDeviceGetMigMode(gpu) == [1, 1]
        assert code_of(pynvml.nvmlDeviceGetUtilizationRates, gpu) == pynvml.NVML_ERROR_NOT_SUPPORTED
