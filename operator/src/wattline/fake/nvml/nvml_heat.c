/* Temperatures, thresholds and margins. */
#include "answers.h"

enum { SHUTDOWN = 0, SLOWDOWN = 1, MEMORY_MAX = 2, GPU_MAX = 3, THRESHOLDS = 8 };

#define TEMPERATURE_V1 0x100000cu
#define MARGIN_V1 0x1000008u

typedef struct {
    unsigned version, sensor;
    int celsius;
} nvmlTemperature_t;

typedef struct {
    unsigned version;
    int celsius;
} nvmlMarginTemperature_t;

NVML nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, unsigned sensor, unsigned *celsius) {
    struct call call;
    struct physics seen;
    nvmlReturn_t code = enter_physics(&call, CALL_TEMPERATURE, device, &seen);
    if (code == NVML_SUCCESS && sensor != 0)
        code = NVML_ERROR_INVALID_ARGUMENT;
    return give(&call, code, celsius, (uint32_t)seen.celsius);
}

NVML nvmlReturn_t nvmlDeviceGetTemperatureV(nvmlDevice_t device, nvmlTemperature_t *temperature) {
    struct call call;
    struct physics seen;
    nvmlReturn_t code = enter_physics(&call, CALL_TEMPERATURE_V, device, &seen);
    if (code == NVML_SUCCESS && (temperature == NULL || temperature->sensor != 0))
        code = NVML_ERROR_INVALID_ARGUMENT;
    if (code == NVML_SUCCESS && temperature->version != TEMPERATURE_V1)
        code = NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    unsigned celsius = 0;
    code = give(&call, code, &celsius, (uint32_t)seen.celsius);
    if (code == NVML_SUCCESS)
        temperature->celsius = (int)celsius;
    return code;
}

NVML nvmlReturn_t nvmlDeviceGetTemperatureThreshold(nvmlDevice_t device, unsigned kind, unsigned *celsius) {
    struct call call;
    nvmlReturn_t code = enter_gpu(&call, CALL_TEMPERATURE_THRESHOLD, device);
    const struct identity *identity = who(&call);
    const int offsets[] = {[SHUTDOWN] = identity->shutdown_offset,
                           [SLOWDOWN] = identity->slowdown_offset,
                           [MEMORY_MAX] = identity->memory_max_offset,
                           [GPU_MAX] = identity->gpu_max_offset};
    if (code == NVML_SUCCESS && kind >= THRESHOLDS)
        code = NVML_ERROR_INVALID_ARGUMENT;
    if (code == NVML_SUCCESS && kind > GPU_MAX)
        code = NVML_ERROR_NOT_SUPPORTED; /* acoustic and GPS thresholds: not on these parts */
    return give(&call, code, celsius,
                code == NVML_SUCCESS ? (uint32_t)(identity->reference_celsius - offsets[kind]) : 0);
}

NVML nvmlReturn_t nvmlDeviceGetMarginTemperature(nvmlDevice_t device, nvmlMarginTemperature_t *margin) {
    struct call call;
    struct physics seen;
    nvmlReturn_t code = enter_physics(&call, CALL_MARGIN, device, &seen);
    if (code == NVML_SUCCESS && margin == NULL)
        code = NVML_ERROR_INVALID_ARGUMENT;
    if (code == NVML_SUCCESS && margin->version != MARGIN_V1)
        code = NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    if (code == NVML_SUCCESS && seen.margin_celsius == NOT_AVAILABLE)
        code = NVML_ERROR_NOT_SUPPORTED;
    unsigned celsius = 0;
    code = give(&call, code, &celsius, (uint32_t)seen.margin_celsius);
    if (code == NVML_SUCCESS)
        margin->celsius = (int)celsius;
    return code;
}
