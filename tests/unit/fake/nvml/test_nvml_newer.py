"""What newer GPUs have: workload power profiles, power smoothing, parts (MIG); asked through nvidia-ml-py itself."""

import ctypes
from ctypes import byref
from dataclasses import replace

import pynvml
import pytest
from tests.unit.fake.nvml.codes import code_of

from wattline.fake.nvml import Call, Card, Faults, GpuBank, Mapping, Point, RootOnly
from wattline.fake.nvml.card import B200_PROFILES
from wattline.world.gpu import PRODUCTS, Gpu

INFERENCE = pynvml.NVML_POWER_PROFILE_LLM_INFERENCE
TRAINING = pynvml.NVML_POWER_PROFILE_LLM_TRAINING
MAX_P = pynvml.NVML_POWER_PROFILE_MAX_P
SET, CLEAR, OVERWRITE = (
    pynvml.NVML_POWER_PROFILE_OPERATION_SET,
    pynvml.NVML_POWER_PROFILE_OPERATION_CLEAR,
    pynvml.NVML_POWER_PROFILE_OPERATION_SET_AND_OVERWRITE,
)
PARTS = ("MIG-aaaa", "MIG-bbbb")


@pytest.fixture
def bank(bank):
    """The node of all these tests, but with cards that can do what a B200 can."""

    def card(product, uuid):
        return replace(Card.of(product, uuid), profiles=B200_PROFILES, smooths=True)

    gpus = [Gpu(PRODUCTS["h200"], f"GPU-{index}") for index in range(2)]
    return GpuBank.create(bank.mapping.path, gpus, card)


def mask(*numbers: int):
    made = pynvml.c_nvmlMask255_t()
    for number in numbers:
        made.mask[number // 32] |= 1 << number % 32
    return made


def bits(found) -> set[int]:
    return {number for number in range(255) if found.mask[number // 32] >> number % 32 & 1}


def update(gpu, operation: int, *numbers: int) -> int:
    wanted = pynvml.c_nvmlWorkloadPowerProfileUpdateProfiles_v1_t()
    wanted.operation, wanted.updateProfilesMask = operation, mask(*numbers)
    return code_of(pynvml.nvmlDeviceWorkloadPowerProfileUpdateProfiles_v1, gpu, byref(wanted))


def current(gpu):
    now = pynvml.c_nvmlWorkloadPowerProfileCurrentProfiles_v1_t()
    pynvml.nvmlDeviceWorkloadPowerProfileGetCurrentProfiles(gpu, byref(now))
    return now


class TestProfiles:
    def test_the_device_says_what_it_offers_and_what_excludes_what(self, gpu):
        info = pynvml.c_nvmlWorkloadPowerProfileProfilesInfo_v1_t()
        pynvml.nvmlDeviceWorkloadPowerProfileGetProfilesInfo(gpu, byref(info))

        assert bits(info.perfProfilesMask) == B200_PROFILES
        assert info.perfProfile[INFERENCE].profileId == INFERENCE
        assert bits(info.perfProfile[INFERENCE].conflictingmask) == {TRAINING, pynvml.NVML_POWER_PROFILE_HPC}
        assert bits(info.perfProfile[MAX_P].conflictingmask) == set()

    @pytest.mark.parametrize(
        ("steps", "requested", "enforced"),
        [
            pytest.param([(SET, INFERENCE)], {INFERENCE}, {INFERENCE}, id="set"),
            pytest.param(
                [(SET, MAX_P), (SET, INFERENCE)], {MAX_P, INFERENCE}, {MAX_P, INFERENCE}, id="added"
            ),
            pytest.param([(SET, MAX_P), (OVERWRITE, INFERENCE)], {INFERENCE}, {INFERENCE}, id="overwritten"),
            pytest.param([(SET, MAX_P, INFERENCE), (CLEAR, MAX_P)], {INFERENCE}, {INFERENCE}, id="cleared"),
            pytest.param(
                [(SET, TRAINING), (SET, INFERENCE)],
                {TRAINING, INFERENCE},
                {TRAINING},
                id="of two that exclude each other one is in force",
            ),
        ],
    )
    def test_what_is_asked_for_and_what_is_in_force(self, gpu, steps, requested, enforced):
        assert [update(gpu, *step) for step in steps] == [pynvml.NVML_SUCCESS] * len(steps)
        now = current(gpu)
        assert (bits(now.requestedProfilesMask), bits(now.enforcedProfilesMask)) == (requested, enforced)

    def test_the_older_calls_do_the_same(self, gpu):
        wanted = pynvml.c_nvmlWorkloadPowerProfileRequestedProfiles_v1_t()
        wanted.requestedProfilesMask = mask(INFERENCE)
        pynvml.nvmlDeviceWorkloadPowerProfileSetRequestedProfiles(gpu, byref(wanted))
        assert bits(current(gpu).requestedProfilesMask) == {INFERENCE}

        pynvml.nvmlDeviceWorkloadPowerProfileClearRequestedProfiles(gpu, byref(wanted))
        assert bits(current(gpu).requestedProfilesMask) == set()

    def test_a_profile_that_is_not_offered_is_refused_and_changes_nothing(self, gpu, bank):
        assert update(gpu, SET, pynvml.NVML_POWER_PROFILE_MIG) == pynvml.NVML_ERROR_INVALID_ARGUMENT
        assert bank.mapping.settings(0).profiles == frozenset()

    def test_without_rights_it_is_refused_and_read_all_the_same(self, gpu, bank):
        Faults(bank.mapping).setters_for(RootOnly.NOBODY)

        assert update(gpu, SET, INFERENCE) == pynvml.NVML_ERROR_NO_PERMISSION
        assert bits(current(gpu).requestedProfilesMask) == set()


def fields(gpu, *wanted):
    return [
        each.value.uiVal if each.nvmlReturn == 0 else None
        for each in pynvml.nvmlDeviceGetFieldValues(gpu, list(wanted))
    ]


def param(gpu, preset: int, parameter: int, value: float) -> int:
    wanted = pynvml.c_nvmlPowerSmoothingProfile_v1_t()
    wanted.profileId, wanted.paramId, wanted.value = preset, parameter, value
    return code_of(pynvml.nvmlDevicePowerSmoothingUpdatePresetProfileParam, gpu, byref(wanted))


class TestSmoothing:
    def test_a_preset_is_written_in_watts_and_read_in_milliwatts(self, gpu):
        assert param(gpu, 2, pynvml.NVML_POWER_SMOOTHING_PROFILE_PARAM_RAMP_UP_RATE, 150.5) == 0
        assert param(gpu, 2, pynvml.NVML_POWER_SMOOTHING_PROFILE_PARAM_PERCENT_TMP_FLOOR, 30.0) == 0

        ramp, floor = (
            pynvml.NVML_FI_PWR_SMOOTHING_PROFILE_RAMP_UP_RATE,
            pynvml.NVML_FI_PWR_SMOOTHING_PROFILE_PERCENT_TMP_FLOOR,
        )
        assert fields(gpu, (ramp, 2), (floor, 2)) == [150_500, 30]
        assert fields(gpu, (ramp, 1), (floor, 1)) == [3_000_000_000, 0]

    def test_a_preset_is_activated_and_smoothing_switched_on(self, gpu):
        wanted = pynvml.c_nvmlPowerSmoothingProfile_v1_t()
        wanted.profileId = 3
        pynvml.nvmlDevicePowerSmoothingActivatePresetProfile(gpu, byref(wanted))
        state = pynvml.c_nvmlPowerSmoothingState_v1_t()
        state.state = 1
        pynvml.nvmlDevicePowerSmoothingSetState(gpu, byref(state))

        assert fields(
            gpu,
            pynvml.NVML_FI_PWR_SMOOTHING_ENABLED,
            pynvml.NVML_FI_PWR_SMOOTHING_ACTIVE_PRESET_PROFILE,
            pynvml.NVML_FI_PWR_SMOOTHING_MAX_NUM_PRESET_PROFILES,
        ) == [1, 3, 5]

    @pytest.mark.parametrize(
        ("preset", "parameter", "value"),
        [
            pytest.param(5, 1, 100.0, id="no such preset"),
            pytest.param(0, 3, 100.0, id="a parameter that is not modelled"),
            pytest.param(0, 1, -1.0, id="a ramp downwards"),
            pytest.param(0, 0, 101.0, id="a floor above the ceiling"),
        ],
    )
    def test_nonsense_is_refused(self, gpu, preset, parameter, value):
        assert param(gpu, preset, parameter, value) == pynvml.NVML_ERROR_INVALID_ARGUMENT


@pytest.mark.parametrize("call", [Call.SET_PROFILES, Call.SET_PRESET], ids=["a profile", "a preset"])
@pytest.mark.parametrize(
    ("point", "made"), [(Point.RECORDED, False), (Point.WRITTEN, True)], ids=["before", "after"]
)
def test_a_killed_writer_leaves_a_record_that_says_what_happened(bank, forked, call, point, made):
    Faults(bank.mapping).set(call, 0, dies=True, point=point, times=1)

    def write() -> None:
        pynvml.nvmlInit()
        gpu = pynvml.nvmlDeviceGetHandleByIndex(0)
        update(gpu, SET, INFERENCE) if call is Call.SET_PROFILES else param(gpu, 4, 1, 99.0)

    assert forked(write) == [-9]
    with bank.mapping.locked():
        pass

    last = bank.mapping.journal()[-1]
    assert (last.call, last.code) == (call, 0 if made else 999)


def test_a_reload_of_the_driver_forgets_all_of_it(bank, gpu):
    update(gpu, SET, INFERENCE)
    param(gpu, 0, 1, 99.0)
    Faults(bank.mapping).reload_driver()

    now = bank.mapping.settings(0)
    assert (now.profiles, now.smoothing, now.up_watts_per_second) == (frozenset(), False, 3_000_000)


def test_a_card_without_any_of_it_says_so(bank):
    Mapping.create(bank.mapping.path, [Card.of(PRODUCTS["h200"], "GPU-0")])
    pynvml.nvmlInit()
    gpu = pynvml.nvmlDeviceGetHandleByIndex(0)

    assert code_of(current, gpu) == pynvml.NVML_ERROR_NOT_SUPPORTED
    assert param(gpu, 0, 1, 99.0) == pynvml.NVML_ERROR_NOT_SUPPORTED
    assert fields(gpu, pynvml.NVML_FI_PWR_SMOOTHING_ENABLED) == [None]


class TestParts:
    @pytest.fixture
    def parts(self, bank, gpu):
        Faults(bank.mapping).partition(0, on=True, parts=PARTS)
        return [pynvml.nvmlDeviceGetMigDeviceHandleByIndex(gpu, index) for index in range(2)]

    def test_each_has_a_name_and_leads_to_its_whole(self, gpu, parts):
        assert [pynvml.nvmlDeviceGetUUID(part) for part in parts] == list(PARTS)
        wholes = [pynvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(part) for part in parts]
        assert {ctypes.cast(whole, ctypes.c_void_p).value for whole in wholes} == {
            ctypes.cast(gpu, ctypes.c_void_p).value
        }
        assert pynvml.nvmlDeviceGetMaxMigDeviceCount(gpu) == 7
        assert pynvml.nvmlDeviceGetMigMode(gpu) == [1, 1]

    @pytest.mark.parametrize(
        "call",
        [
            pytest.param(lambda part: pynvml.nvmlDeviceSetPowerManagementLimit(part, 300_000), id="limit"),
            pytest.param(lambda part: pynvml.nvmlDeviceSetGpuLockedClocks(part, 345, 900), id="clock"),
            pytest.param(pynvml.nvmlDeviceGetPowerUsage, id="watts"),
        ],
    )
    def test_it_has_neither_watts_nor_settings_of_its_own(self, parts, bank, call):
        assert code_of(call, parts[0]) == pynvml.NVML_ERROR_NOT_SUPPORTED
        assert bank.mapping.settings(0).limit_watts == 700

    def test_a_part_that_is_not_there_is_not_found(self, gpu, parts):
        for index, code in ((2, pynvml.NVML_ERROR_NOT_FOUND), (7, pynvml.NVML_ERROR_INVALID_ARGUMENT)):
            assert code_of(pynvml.nvmlDeviceGetMigDeviceHandleByIndex, gpu, index) == code

    def test_a_whole_is_no_part(self, gpu):
        assert (
            code_of(pynvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle, gpu)
            == pynvml.NVML_ERROR_NOT_SUPPORTED
        )
        assert code_of(pynvml.nvmlDeviceGetMigDeviceHandleByIndex, gpu, 0) == pynvml.NVML_ERROR_NOT_FOUND
