/* Workload power profiles: what a device can tune itself to, what is asked for, and what of that is in force.
 *
 * Which profiles a B200 offers, and that inference goes neither with training nor with HPC, is from a public note on one
 * chassis; priorities are ours: of two that exclude each other the one with the higher number is in force. The world's
 * physics do not follow a profile. */
#include "answers.h"

#include <string.h>

enum { OFFERED_MAX = 64, INFERENCE = 6, TRAINING = 7, HPC = 13, MASK_WORDS = 8, INFOS = 255 };
enum { CLEAR = 0, SET = 1, SET_AND_OVERWRITE = 2 };

typedef struct {
    uint32_t words[MASK_WORDS];
} mask_t;

typedef struct {
    uint32_t version, id, priority;
    mask_t conflicting;
} info_t;

typedef struct {
    uint32_t version;
    mask_t offered;
    info_t infos[INFOS];
} nvmlWorkloadPowerProfileProfilesInfo_t;

typedef struct {
    uint32_t version;
    mask_t offered, requested, enforced;
} nvmlWorkloadPowerProfileCurrentProfiles_t;

typedef struct {
    uint32_t version;
    mask_t requested;
} nvmlWorkloadPowerProfileRequestedProfiles_t;

typedef struct {
    uint32_t operation;
    mask_t profiles;
} nvmlWorkloadPowerProfileUpdateProfiles_v1_t;

#define VERSION_1(type) ((uint32_t)sizeof(type) | 1u << 24)

static mask_t wide(uint64_t bits) {
    return (mask_t){.words = {(uint32_t)bits, (uint32_t)(bits >> 32)}};
}

static uint64_t narrow(const mask_t *mask) {
    return mask->words[0] | (uint64_t)mask->words[1] << 32;
}

static int beyond(const mask_t *mask) {
    for (int word = 2; word < MASK_WORDS; word++)
        if (mask->words[word] != 0)
            return 1;
    return 0;
}

static uint64_t conflicting(unsigned id) {
    switch (id) {
    case INFERENCE:
        return 1ull << TRAINING | 1ull << HPC;
    case TRAINING:
    case HPC:
        return 1ull << INFERENCE;
    default:
        return 0;
    }
}

static uint64_t enforced(uint64_t requested) {
    uint64_t kept = 0;
    for (unsigned id = OFFERED_MAX; id-- > 0;)
        if (requested >> id & 1 && (kept & conflicting(id)) == 0)
            kept |= 1ull << id;
    return kept;
}

static nvmlReturn_t offers(const struct call *call) {
    return who(call)->profiles == 0 ? NVML_ERROR_NOT_SUPPORTED : NVML_SUCCESS;
}

NVML nvmlReturn_t nvmlDeviceWorkloadPowerProfileGetProfilesInfo(nvmlDevice_t device,
                                                                nvmlWorkloadPowerProfileProfilesInfo_t *info) {
    struct call call;
    nvmlReturn_t code = enter_gpu(&call, CALL_PROFILES_INFO, device);
    if (code == NVML_SUCCESS)
        code = offers(&call);
    if (code == NVML_SUCCESS && info == NULL)
        code = NVML_ERROR_INVALID_ARGUMENT;
    if (code == NVML_SUCCESS && info->version != VERSION_1(*info))
        code = NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    if (code == NVML_SUCCESS) {
        uint64_t offered = call.lies ? call.lie : who(&call)->profiles;
        memset(&info->offered, 0, sizeof *info - sizeof info->version);
        info->offered = wide(offered);
        for (unsigned id = 0; id < OFFERED_MAX; id++)
            if (offered >> id & 1)
                info->infos[id] = (info_t){VERSION_1(info_t), id, OFFERED_MAX - id, wide(conflicting(id))};
        call.answer = offered;
    }
    return leave(&call, code);
}

NVML nvmlReturn_t nvmlDeviceWorkloadPowerProfileGetCurrentProfiles(nvmlDevice_t device,
                                                                   nvmlWorkloadPowerProfileCurrentProfiles_t *now) {
    struct call call;
    nvmlReturn_t code = enter_gpu(&call, CALL_CURRENT_PROFILES, device);
    if (code == NVML_SUCCESS)
        code = offers(&call);
    if (code == NVML_SUCCESS && now == NULL)
        code = NVML_ERROR_INVALID_ARGUMENT;
    if (code == NVML_SUCCESS && now->version != VERSION_1(*now))
        code = NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    if (code == NVML_SUCCESS) {
        call.answer = call.lies ? call.lie : LOAD(call.gpu->settings.profiles);
        now->offered = wide(who(&call)->profiles);
        now->requested = wide(call.answer);
        now->enforced = wide(enforced(call.answer));
    }
    return leave(&call, code);
}

static nvmlReturn_t update(nvmlDevice_t device, unsigned operation, const mask_t *profiles, int version_right) {
    struct call call;
    nvmlReturn_t code = enter_gpu(&call, CALL_SET_PROFILES, device);
    if (code == NVML_SUCCESS)
        code = offers(&call);
    if (code == NVML_SUCCESS && !allowed(&call))
        code = NVML_ERROR_NO_PERMISSION;
    if (code == NVML_SUCCESS && profiles == NULL)
        code = NVML_ERROR_INVALID_ARGUMENT;
    if (code == NVML_SUCCESS && !version_right)
        code = NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    uint64_t asked = profiles == NULL ? 0 : narrow(profiles);
    if (code == NVML_SUCCESS && (operation > SET_AND_OVERWRITE || beyond(profiles) || asked & ~who(&call)->profiles))
        code = NVML_ERROR_INVALID_ARGUMENT;
    uint64_t before = call.gpu == NULL ? 0 : LOAD(call.gpu->settings.profiles);
    return change(&call, code, operation == CLEAR ? before & ~asked : operation == SET ? before | asked : asked);
}

NVML nvmlReturn_t nvmlDeviceWorkloadPowerProfileUpdateProfiles_v1(nvmlDevice_t device,
                                                                  nvmlWorkloadPowerProfileUpdateProfiles_v1_t *wanted) {
    return update(device, wanted == NULL ? SET : wanted->operation, wanted == NULL ? NULL : &wanted->profiles, 1);
}

NVML nvmlReturn_t
nvmlDeviceWorkloadPowerProfileSetRequestedProfiles(nvmlDevice_t device,
                                                   nvmlWorkloadPowerProfileRequestedProfiles_t *wanted) {
    return update(device, SET, wanted == NULL ? NULL : &wanted->requested,
                  wanted != NULL && wanted->version == VERSION_1(*wanted));
}

NVML nvmlReturn_t
nvmlDeviceWorkloadPowerProfileClearRequestedProfiles(nvmlDevice_t device,
                                                     nvmlWorkloadPowerProfileRequestedProfiles_t *wanted) {
    return update(device, CLEAR, wanted == NULL ? NULL : &wanted->requested,
                  wanted != NULL && wanted->version == VERSION_1(*wanted));
}
