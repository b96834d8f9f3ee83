"""The fake driver library keeps a driver's rules."""

import os
import signal
import subprocess
import sys
import threading
from itertools import pairwise

import pynvml
import pytest
from tests.unit.fake.nvml.codes import code_of

from wattline.fake.nvml import MAPPING_VARIABLE, Call, GpuBank, Mapping, RootOnly, Sensors
from wattline.world.gpu import PRODUCTS, Gpu


def test_unmodified_nvidia_ml_py_finds_it_by_the_loaders_path_and_settings_outlive_the_process(
    bank, nvml_library
):
    script = (
        "import pynvml as n; n.nvmlInit(); h = n.nvmlDeviceGetHandleByUUID(b'GPU-1');"
        "n.nvmlDeviceSetPowerManagementLimit(h, 450000); print(n.nvmlDeviceGetName(h))"
    )

    said = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"LD_LIBRARY_PATH": str(nvml_library.parent)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert said.stdout == "NVIDIA H200\n"
    assert bank.mapping.settings(1).limit_watts == 450


class TestWithoutAMachine:
    def test_no_mapping_is_a_driver_that_is_not_loaded(self, bank, monkeypatch):
        monkeypatch.delenv(MAPPING_VARIABLE)

        assert code_of(pynvml.nvmlInit) == pynvml.NVML_ERROR_DRIVER_NOT_LOADED

    def test_an_absent_file_is_a_driver_that_is_not_loaded(self, bank):
        bank.mapping.path.unlink()

        assert code_of(pynvml.nvmlInit) == pynvml.NVML_ERROR_DRIVER_NOT_LOADED

    def test_a_file_of_another_version_is_a_version_mismatch(self, bank):
        bank.mapping.node.version += 1

        assert code_of(pynvml.nvmlInit) == pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH

    def test_a_file_that_is_cut_short_is_a_version_mismatch(self, bank):
        bank.mapping.path.write_bytes(b"half")

        assert code_of(pynvml.nvmlInit) == pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH

    def test_nothing_works_before_init(self, bank):
        assert code_of(pynvml.nvmlDeviceGetCount) == pynvml.NVML_ERROR_UNINITIALIZED

    def test_a_machine_that_was_switched_on_anew_takes_its_old_users_driver_away(self, bank, gpu):
        GpuBank.create(bank.mapping.path, [Gpu(PRODUCTS["a100"], "GPU-9")])

        gone = code_of(pynvml.nvmlDeviceGetPowerUsage, gpu)
        code_of(pynvml.nvmlShutdown)
        pynvml.nvmlInit()

        assert gone == pynvml.NVML_ERROR_DRIVER_NOT_LOADED
        assert pynvml.nvmlDeviceGetUUID(pynvml.nvmlDeviceGetHandleByIndex(0)) == "GPU-9"


class TestHandles:
    def test_every_init_needs_its_shutdown(self, gpu):
        pynvml.nvmlInit()
        pynvml.nvmlShutdown()

        assert pynvml.nvmlDeviceGetCount() == 2

    def test_a_handle_of_an_earlier_session_is_none(self, gpu):
        pynvml.nvmlShutdown()
        pynvml.nvmlInit()

        assert code_of(pynvml.nvmlDeviceGetPowerUsage, gpu) == pynvml.NVML_ERROR_INVALID_ARGUMENT

    @pytest.mark.parametrize(
        ("find", "key", "want"),
        [
            pytest.param(
                pynvml.nvmlDeviceGetHandleByIndex, 2, pynvml.NVML_ERROR_INVALID_ARGUMENT, id="index"
            ),
            pytest.param(pynvml.nvmlDeviceGetHandleByUUID, b"GPU-2", pynvml.NVML_ERROR_NOT_FOUND, id="uuid"),
        ],
    )
    def test_a_gpu_that_is_not_there_is_not_found(self, gpu, find, key, want):
        assert code_of(find, key) == want


class TestPowerLimit:
    @pytest.mark.parametrize(
        ("milliwatts", "want"),
        [
            pytest.param(199_999, pynvml.NVML_ERROR_INVALID_ARGUMENT, id="below the range: refused"),
            pytest.param(200_000, 0, id="the lowest"),
            pytest.param(700_000, 0, id="the highest"),
            pytest.param(700_001, pynvml.NVML_ERROR_INVALID_ARGUMENT, id="above the range: refused"),
        ],
    )
    def test_only_values_in_the_range_are_taken(self, bank, gpu, milliwatts, want):
        before = bank.mapping.settings(0).limit_watts

        code = code_of(pynvml.nvmlDeviceSetPowerManagementLimit, gpu, milliwatts)

        assert code == want
        assert bank.mapping.settings(0).limit_watts == (before if want else milliwatts / 1000)

    def test_a_limit_from_out_of_band_is_enforced_and_what_was_asked_for_stays(self, gpu, faults):
        pynvml.nvmlDeviceSetPowerManagementLimit(gpu, 600_000)
        faults.hold_below(0, 400)

        assert pynvml.nvmlDeviceGetPowerManagementLimit(gpu) == 600_000
        assert pynvml.nvmlDeviceGetEnforcedPowerLimit(gpu) == 400_000
        current, requested = pynvml.nvmlDeviceGetFieldValues(gpu, [190, 192])
        assert (current.value.uiVal, requested.value.uiVal) == (400_000, 600_000)

    def test_the_second_setter_is_not_there_and_says_so(self, gpu):
        code = code_of(pynvml.nvmlDeviceSetPowerManagementLimit_v2, gpu, pynvml.NVML_POWER_SCOPE_GPU, 400_000)

        assert code == pynvml.NVML_ERROR_FUNCTION_NOT_FOUND


TDP, UNLIMITED = pynvml.NVML_CLOCK_LIMIT_ID_TDP, pynvml.NVML_CLOCK_LIMIT_ID_UNLIMITED
REFUSED = None


class TestLockedClocks:
    @pytest.mark.parametrize(
        ("low", "high", "want"),
        [
            pytest.param(345, 900, (345, 900), id="supported clocks"),
            pytest.param(351, 914, (345, 900), id="others snap down"),
            pytest.param(0, 100, (345, 345), id="below the slowest: the slowest"),
            pytest.param(345, 5000, (345, 1830), id="above the fastest: H200's clamp"),
            pytest.param(1980, 1980, (1830, 1830), id="H200 clamps a lock at the maximum"),
            pytest.param(900, 345, REFUSED, id="upside down"),
            pytest.param(TDP, UNLIMITED, (1170, 1830), id="by name"),
            pytest.param(345, UNLIMITED, REFUSED, id="a number and a name"),
            pytest.param(UNLIMITED, TDP, REFUSED, id="names upside down"),
            pytest.param(0xFFFFFF00, 0xFFFFFF03, REFUSED, id="names that are none"),
        ],
    )
    def test_locks_become_what_the_device_can_do(self, bank, gpu, low, high, want):
        code = code_of(pynvml.nvmlDeviceSetGpuLockedClocks, gpu, low, high)

        assert code == (pynvml.NVML_ERROR_INVALID_ARGUMENT if want is REFUSED else 0)
        assert bank.mapping.settings(0).locked_mhz == want

    def test_reset_gives_the_clock_back(self, bank, gpu):
        pynvml.nvmlDeviceSetGpuLockedClocks(gpu, 345, 900)
        pynvml.nvmlDeviceResetGpuLockedClocks(gpu)

        assert bank.mapping.settings(0).locked_mhz is None


class TestRights:
    SETTERS = (
        (pynvml.nvmlDeviceSetPowerManagementLimit, 400_000),
        (pynvml.nvmlDeviceSetGpuLockedClocks, 345, 900),
        (pynvml.nvmlDeviceResetGpuLockedClocks,),
        (pynvml.nvmlDeviceSetPersistenceMode, 0),
    )

    @pytest.mark.parametrize("setter", SETTERS, ids=lambda setter: setter[0].__name__)
    def test_without_rights_no_setter_works_and_getters_do(self, bank, gpu, faults, setter):
        faults.setters_for(RootOnly.NOBODY)
        before = bank.mapping.settings(0)

        call, *arguments = setter
        code = code_of(call, gpu, *arguments)

        assert code == pynvml.NVML_ERROR_NO_PERMISSION
        assert bank.mapping.settings(0) == before
        assert pynvml.nvmlDeviceGetPowerManagementLimit(gpu) == 700_000

    def test_root_may_where_only_root_may(self, gpu, faults):
        faults.setters_for(RootOnly.ROOT)

        code = code_of(pynvml.nvmlDeviceSetPowerManagementLimit, gpu, 400_000)

        assert code == (0 if os.geteuid() == 0 else pynvml.NVML_ERROR_NO_PERMISSION)


class TestReadings:
    SENSORS = Sensors(
        watts=512.3456, instant_watts=540, energy_joules=1234.5, clock_mhz=1500, busy_ratio=0.75, celsius=61.4,
        memory_celsius=70.9, margin_celsius=25.6, reasons=0x24, power_cap_seconds=1.5, sw_thermal_seconds=2,
        hw_thermal_seconds=3, power_brake_seconds=4,
    )  # fmt: skip

    @pytest.fixture(autouse=True)
    def published(self, bank):
        bank.mapping.publish(0, self.SENSORS)

    def test_what_the_world_publishes_is_what_the_calls_say(self, gpu):
        said = {
            "watts": pynvml.nvmlDeviceGetPowerUsage(gpu),
            "joules": pynvml.nvmlDeviceGetTotalEnergyConsumption(gpu),
            "clocks": [pynvml.nvmlDeviceGetClockInfo(gpu, kind) for kind in (0, 1, 2)],
            "celsius": [pynvml.nvmlDeviceGetTemperature(gpu, 0), pynvml.nvmlDeviceGetTemperatureV(gpu, 0)],
            "margin": pynvml.nvmlDeviceGetMarginTemperature(gpu),
            "reasons": pynvml.nvmlDeviceGetCurrentClocksEventReasons(gpu),
            "same by its old name": pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(gpu),
            "busy": pynvml.nvmlDeviceGetUtilizationRates(gpu).gpu,
        }

        assert said == {
            "watts": 512_346,
            "joules": 1_234_500,
            "clocks": [1500, 1500, 3201],
            "celsius": [61, 61],
            "margin": 25,
            "reasons": 0x24,
            "same by its old name": 0x24,
            "busy": 75,
        }

    def test_fields_say_the_same_in_one_call(self, gpu):
        unsigned = {
            185: 512_346,
            186: 540_000,
            187: 200_000,
            188: 700_000,
            189: 700_000,
            190: 700_000,
            82: 70,
        }
        signed = {193: -8, 194: -2, 195: 0, 196: 0}
        long = {83: 1_234_500, 74: 1_500_000_000, 76: 0, 269: 2 * 10**9, 270: 3 * 10**9, 271: 4 * 10**9}

        def read(fields, member):
            return {
                field.fieldId: getattr(field.value, member)
                for field in pynvml.nvmlDeviceGetFieldValues(gpu, list(fields))
                if field.nvmlReturn == 0
            }

        assert read(unsigned, "uiVal") == unsigned
        assert read(signed, "siVal") == signed
        assert read(long, "ullVal") == long

    def test_a_field_that_is_not_there_does_not_spoil_the_others(self, gpu, faults):
        faults.hide_fields(0, 186)

        fields = pynvml.nvmlDeviceGetFieldValues(
            gpu, [185, 186, (185, pynvml.NVML_POWER_SCOPE_MODULE), 1, 5000]
        )

        assert [field.nvmlReturn for field in fields] == [0, 3, 3, 3, 2]

    def test_thresholds_are_those_of_the_part(self, gpu):
        kinds = (0, 1, 2, 3)

        assert [pynvml.nvmlDeviceGetTemperatureThreshold(gpu, kind) for kind in kinds] == [95, 89, 87, 87]
        assert code_of(pynvml.nvmlDeviceGetTemperatureThreshold, gpu, 4) == pynvml.NVML_ERROR_NOT_SUPPORTED

    def test_energy_counts_from_the_load_of_the_driver(self, bank, gpu, faults):
        faults.reload_driver()
        after_reload = pynvml.nvmlDeviceGetTotalEnergyConsumption(gpu)
        bank.mapping.publish(0, Sensors(energy_joules=1300))

        assert after_reload == 0
        assert pynvml.nvmlDeviceGetTotalEnergyConsumption(gpu) == 65_500

    def test_clocks_are_listed_fastest_first_for_the_one_memory_clock(self, gpu):
        (memory_mhz,) = pynvml.nvmlDeviceGetSupportedMemoryClocks(gpu)
        clocks = pynvml.nvmlDeviceGetSupportedGraphicsClocks(gpu, memory_mhz)

        assert clocks == list(reversed(PRODUCTS["h200"].clocks_mhz))
        assert code_of(pynvml.nvmlDeviceGetSupportedGraphicsClocks, gpu, 1) == pynvml.NVML_ERROR_NOT_FOUND

    def test_a_reader_never_sees_half_a_publication(self, bank, gpu):
        stop = threading.Event()

        def publish():
            value = 0
            while not stop.is_set():
                value = (value + 1) % 1000
                bank.mapping.publish(0, Sensors(watts=value, instant_watts=value, energy_joules=value))

        world = threading.Thread(target=publish)
        world.start()
        try:
            seen = [
                [field.value.uiVal for field in pynvml.nvmlDeviceGetFieldValues(gpu, [185, 186])]
                for _ in range(2000)
            ]
        finally:
            stop.set()
            world.join()

        assert all(average == instant for average, instant in seen)

    def test_a_publication_that_broke_off_leaves_the_one_before(self, bank, gpu):
        one = bank.mapping.node.gpus[0]
        one.physics[(one.published + 1) % 2].watts_mw = 1  # the world was killed here

        assert pynvml.nvmlDeviceGetPowerUsage(gpu) == 512_346


class TestRecord:
    def test_every_setter_call_is_on_record_with_its_process_and_outcome(self, bank, gpu):
        since = bank.mapping.journal()[-1].sequence
        pynvml.nvmlDeviceSetPowerManagementLimit(gpu, 400_000)
        code_of(pynvml.nvmlDeviceSetPowerManagementLimit, gpu, 1)
        pynvml.nvmlDeviceSetGpuLockedClocks(gpu, 345, 900)
        pynvml.nvmlDeviceResetGpuLockedClocks(gpu)
        pynvml.nvmlDeviceSetPersistenceMode(gpu, 0)

        records = bank.mapping.journal(since)

        lock = 345 << 32 | 900
        assert [(r.call, r.old, r.new, r.code) for r in records] == [
            (Call.SET_POWER_LIMIT, 700_000, 400_000, 0),
            (Call.SET_POWER_LIMIT, 400_000, 1, pynvml.NVML_ERROR_INVALID_ARGUMENT),
            (Call.LOCK_CLOCKS, 0, lock, 0),
            (Call.RESET_CLOCKS, lock, 0, 0),
            (Call.SET_PERSISTENCE, 1, 0, 0),
        ]
        assert {record.pid for record in records} == {os.getpid()}
        times = [record.boot_seconds for record in records]
        assert times == sorted(times)

    def test_reads_are_on_record_too_and_never_push_setters_out(self, bank, gpu):
        pynvml.nvmlDeviceSetPowerManagementLimit(gpu, 400_000)
        for _ in range(20_000):
            pynvml.nvmlDeviceGetPowerManagementLimit(gpu)

        last = bank.mapping.calls()[-1]
        assert (last.call, last.gpu, last.new, last.code) == (Call.POWER_LIMIT, 0, 400_000, 0)
        assert bank.mapping.journal()[-1].new == 400_000

    def test_writers_in_several_processes_take_turns(self, bank, forked):
        def write():
            pynvml.nvmlInit()
            handle = pynvml.nvmlDeviceGetHandleByIndex(0)
            for turn in range(200):
                pynvml.nvmlDeviceSetPowerManagementLimit(handle, 300_000 + turn)

        codes = forked(write, 3)

        chain = [record for record in bank.mapping.journal() if record.gpu == 0]
        assert codes == [0, 0, 0]
        assert len(chain) == 601
        assert all(later.old == earlier.new for earlier, later in pairwise(chain))


def test_a_killed_process_leaves_its_settings_to_the_next(bank, forked):
    def set_and_die():
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        pynvml.nvmlDeviceSetPowerManagementLimit(handle, 350_000)
        pynvml.nvmlDeviceSetGpuLockedClocks(handle, 345, 1200)
        os.kill(os.getpid(), signal.SIGKILL)

    assert forked(set_and_die) == [-signal.SIGKILL]
    settings = Mapping.open(bank.mapping.path).settings(0)
    assert (settings.limit_watts, settings.locked_mhz) == (350, (345, 1200))
