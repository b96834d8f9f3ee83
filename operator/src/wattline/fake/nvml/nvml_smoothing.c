/* Power smoothing: presets with a ramp and a floor, one of them active. The world's physics do not follow them. */
#include "answers.h"

enum { FLOOR = 0, RAMP_UP = 1 };

typedef struct {
    uint32_t version, preset, parameter;
    double value;
} nvmlPowerSmoothingProfile_t;

typedef struct {
    uint32_t version, state;
} nvmlPowerSmoothingState_t;

#define VERSION_1(type) ((uint32_t)sizeof(type) | 1u << 24)

static nvmlReturn_t writable(const struct call *call) {
    if (!who(call)->smooths)
        return NVML_ERROR_NOT_SUPPORTED;
    return allowed(call) ? NVML_SUCCESS : NVML_ERROR_NO_PERMISSION;
}

NVML nvmlReturn_t nvmlDevicePowerSmoothingSetState(nvmlDevice_t device, nvmlPowerSmoothingState_t *wanted) {
    struct call call;
    nvmlReturn_t code = enter_gpu(&call, CALL_SET_SMOOTHING, device);
    if (code == NVML_SUCCESS)
        code = writable(&call);
    if (code == NVML_SUCCESS && (wanted == NULL || wanted->state > 1))
        code = NVML_ERROR_INVALID_ARGUMENT;
    if (code == NVML_SUCCESS && wanted->version != VERSION_1(*wanted))
        code = NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    return change(&call, code, wanted == NULL ? 0 : wanted->state);
}

NVML nvmlReturn_t nvmlDevicePowerSmoothingActivatePresetProfile(nvmlDevice_t device,
                                                                nvmlPowerSmoothingProfile_t *wanted) {
    struct call call;
    nvmlReturn_t code = enter_gpu(&call, CALL_ACTIVATE_PRESET, device);
    if (code == NVML_SUCCESS)
        code = writable(&call);
    if (code == NVML_SUCCESS && (wanted == NULL || wanted->preset >= PRESETS))
        code = NVML_ERROR_INVALID_ARGUMENT;
    if (code == NVML_SUCCESS && wanted->version != VERSION_1(*wanted))
        code = NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    return change(&call, code, wanted == NULL ? 0 : wanted->preset);
}

/* The real call takes W/s and percent; the reading of the same ramp is in mW/s. */
NVML nvmlReturn_t nvmlDevicePowerSmoothingUpdatePresetProfileParam(nvmlDevice_t device,
                                                                   nvmlPowerSmoothingProfile_t *wanted) {
    struct call call;
    nvmlReturn_t code = enter_gpu(&call, CALL_SET_PRESET, device);
    if (code == NVML_SUCCESS)
        code = writable(&call);
    if (code == NVML_SUCCESS && (wanted == NULL || wanted->preset >= PRESETS || wanted->parameter > RAMP_UP))
        code = NVML_ERROR_INVALID_ARGUMENT; /* the other parameters are not modelled */
    if (code == NVML_SUCCESS && wanted->version != VERSION_1(*wanted))
        code = NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    if (code == NVML_SUCCESS &&
        !(wanted->value >= 0 && (wanted->parameter == FLOOR ? wanted->value <= 100 : wanted->value < 4e6)))
        code = NVML_ERROR_INVALID_ARGUMENT;
    uint64_t preset = 0;
    if (code == NVML_SUCCESS) {
        preset = LOAD(call.gpu->settings.presets[wanted->preset]);
        uint64_t floor_centi = preset >> 32 & 0xffff, up_mw = preset & 0xffffffff;
        if (wanted->parameter == FLOOR)
            floor_centi = (uint64_t)(wanted->value * 100 + 0.5);
        else
            up_mw = (uint64_t)(wanted->value * 1000 + 0.5);
        preset = (uint64_t)wanted->preset << 60 | floor_centi << 32 | up_mw;
    }
    return change(&call, code, preset);
}
