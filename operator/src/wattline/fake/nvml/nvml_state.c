/* What a GPU is doing, and the modes it is in. */
#include "answers.h"

#define EVENT_REASONS_ALL 0x1ffu

typedef struct {
    unsigned gpu, memory;
} nvmlUtilization_t;

NVML nvmlReturn_t nvmlDeviceGetCurrentClocksEventReasons(nvmlDevice_t device, unsigned long long *reasons) {
    struct call call;
    struct physics seen;
    nvmlReturn_t code = enter_physics(&call, CALL_EVENT_REASONS, device, &seen);
    return give_long(&call, code, reasons, seen.reasons);
}

NVML nvmlReturn_t nvmlDeviceGetCurrentClocksThrottleReasons(nvmlDevice_t device, unsigned long long *reasons) {
    return nvmlDeviceGetCurrentClocksEventReasons(device, reasons);
}

NVML nvmlReturn_t nvmlDeviceGetSupportedClocksEventReasons(nvmlDevice_t device, unsigned long long *reasons) {
    struct call call;
    nvmlReturn_t code = enter_gpu(&call, CALL_SUPPORTED_EVENT_REASONS, device);
    return give_long(&call, code, reasons, EVENT_REASONS_ALL);
}

NVML nvmlReturn_t nvmlDeviceGetPersistenceMode(nvmlDevice_t device, unsigned *mode) {
    struct call call;
    nvmlReturn_t code = enter_gpu(&call, CALL_PERSISTENCE, device);
    return give(&call, code, mode, code == NVML_SUCCESS ? LOAD(call.gpu->settings.persistence) : 0);
}

NVML nvmlReturn_t nvmlDeviceSetPersistenceMode(nvmlDevice_t device, unsigned mode) {
    struct call call;
    nvmlReturn_t code = enter_gpu(&call, CALL_SET_PERSISTENCE, device);
    if (code == NVML_SUCCESS && !allowed(&call))
        code = NVML_ERROR_NO_PERMISSION;
    if (code == NVML_SUCCESS && mode > 1)
        code = NVML_ERROR_INVALID_ARGUMENT;
    return change(&call, code, mode);
}

NVML nvmlReturn_t nvmlDeviceGetPerformanceState(nvmlDevice_t device, unsigned *state) {
    struct call call;
    nvmlReturn_t code = enter_gpu(&call, CALL_PERFORMANCE_STATE, device);
    return give(&call, code, state, 0);
}

NVML nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *utilization) {
    struct call call;
    struct physics seen;
    nvmlReturn_t code = enter_physics(&call, CALL_UTILIZATION, device, &seen);
    if (code == NVML_SUCCESS && LOAD(call.gpu->mig))
        code = NVML_ERROR_NOT_SUPPORTED;
    if (code == NVML_SUCCESS && utilization == NULL)
        code = NVML_ERROR_INVALID_ARGUMENT;
    if (code == NVML_SUCCESS)
        utilization->memory = seen.busy_percent;
    return give(&call, code, utilization == NULL ? NULL : &utilization->gpu, seen.busy_percent);
}

NVML nvmlReturn_t nvmlDeviceGetVirtualizationMode(nvmlDevice_t device, unsigned *mode) {
    struct call call;
    nvmlReturn_t code = enter_gpu(&call, CALL_VIRTUALIZATION_MODE, device);
    return give(&call, code, mode, 0);
}

NVML nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned *count, void *processes) {
    (void)processes; /* the fake engines use no CUDA */
    struct call call;
    nvmlReturn_t code = enter_gpu(&call, CALL_PROCESSES, device);
    return give(&call, code, count, 0);
}
