/* Watts and power limits. */
#include "answers.h"

NVML nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned *mw) {
    struct call call;
    struct physics seen;
    nvmlReturn_t code = enter_physics(&call, CALL_POWER_USAGE, device, &seen);
    return give(&call, code, mw, seen.watts_mw);
}

NVML nvmlReturn_t nvmlDeviceGetTotalEnergyConsumption(nvmlDevice_t device, unsigned long long *mj) {
    struct call call;
    struct physics seen;
    nvmlReturn_t code = enter_physics(&call, CALL_TOTAL_ENERGY, device, &seen);
    return give_long(&call, code, mj, code == NVML_SUCCESS ? energy_mj(call.gpu, &seen) : 0);
}

NVML nvmlReturn_t nvmlDeviceGetPowerManagementMode(nvmlDevice_t device, unsigned *mode) {
    struct call call;
    nvmlReturn_t code = enter_gpu(&call, CALL_POWER_MANAGEMENT_MODE, device);
    return give(&call, code, mode, 1);
}

NVML nvmlReturn_t nvmlDeviceGetPowerManagementLimit(nvmlDevice_t device, unsigned *mw) {
    struct call call;
    nvmlReturn_t code = enter_gpu(&call, CALL_POWER_LIMIT, device);
    return give(&call, code, mw, code == NVML_SUCCESS ? LOAD(call.gpu->settings.limit_mw) : 0);
}

NVML nvmlReturn_t nvmlDeviceGetPowerManagementLimitConstraints(nvmlDevice_t device, unsigned *min, unsigned *max) {
    struct call call;
    nvmlReturn_t code = enter_gpu(&call, CALL_POWER_LIMIT_CONSTRAINTS, device);
    if (code == NVML_SUCCESS && min == NULL)
        code = NVML_ERROR_INVALID_ARGUMENT;
    if (code == NVML_SUCCESS)
        *min = who(&call)->min_mw;
    return give(&call, code, max, who(&call)->max_mw);
}

NVML nvmlReturn_t nvmlDeviceGetPowerManagementDefaultLimit(nvmlDevice_t device, unsigned *mw) {
    struct call call;
    nvmlReturn_t code = enter_gpu(&call, CALL_POWER_LIMIT_DEFAULT, device);
    return give(&call, code, mw, who(&call)->default_mw);
}

NVML nvmlReturn_t nvmlDeviceGetEnforcedPowerLimit(nvmlDevice_t device, unsigned *mw) {
    struct call call;
    nvmlReturn_t code = enter_gpu(&call, CALL_POWER_LIMIT_ENFORCED, device);
    return give(&call, code, mw, code == NVML_SUCCESS ? enforced_mw(call.gpu) : 0);
}

NVML nvmlReturn_t nvmlDeviceSetPowerManagementLimit(nvmlDevice_t device, unsigned mw) {
    struct call call;
    nvmlReturn_t code = enter_gpu(&call, CALL_SET_POWER_LIMIT, device);
    if (code == NVML_SUCCESS && !allowed(&call))
        code = NVML_ERROR_NO_PERMISSION;
    if (code == NVML_SUCCESS && (mw < who(&call)->min_mw || mw > who(&call)->max_mw))
        code = NVML_ERROR_INVALID_ARGUMENT;
    return change(&call, code, mw);
}
