/* Parts of a GPU (MIG). They have names and lead to their whole; clock, power and heat are the whole's alone. */
#include "answers.h"

static uint32_t parts(const struct gpu *gpu) {
    return LOAD(gpu->mig) ? LOAD(gpu->part_count) : 0;
}

NVML nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned *current, unsigned *pending) {
    struct call call;
    nvmlReturn_t code = enter_gpu(&call, CALL_MIG_MODE, device);
    unsigned mode = code == NVML_SUCCESS ? LOAD(call.gpu->mig) : 0;
    if (code == NVML_SUCCESS && pending == NULL)
        code = NVML_ERROR_INVALID_ARGUMENT;
    if (code == NVML_SUCCESS)
        *pending = mode;
    return give(&call, code, current, mode);
}

NVML nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, unsigned *count) {
    struct call call;
    nvmlReturn_t code = enter_gpu(&call, CALL_PARTS_MAX_COUNT, device);
    return give(&call, code, count, PARTS_MAX);
}

NVML nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned index, nvmlDevice_t *part) {
    struct call call;
    nvmlReturn_t code = enter_gpu(&call, CALL_PART_BY_INDEX, device);
    if (code == NVML_SUCCESS && index >= PARTS_MAX)
        code = NVML_ERROR_INVALID_ARGUMENT;
    if (code == NVML_SUCCESS && index >= parts(call.gpu))
        code = NVML_ERROR_NOT_FOUND; /* also where MIG is off */
    return leave(&call, code == NVML_SUCCESS ? handle_of_part(&call, index + 1, part) : code);
}

NVML nvmlReturn_t nvmlDeviceIsMigDeviceHandle(nvmlDevice_t device, unsigned *is) {
    struct call call;
    nvmlReturn_t code = enter_part(&call, CALL_IS_PART, device);
    return give(&call, code, is, call.part != 0);
}

NVML nvmlReturn_t nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvmlDevice_t part, nvmlDevice_t *device) {
    struct call call;
    nvmlReturn_t code = enter_part(&call, CALL_WHOLE_OF_PART, part);
    if (code == NVML_SUCCESS && call.part == 0)
        code = NVML_ERROR_NOT_SUPPORTED;
    return leave(&call, code == NVML_SUCCESS ? handle_of_part(&call, 0, device) : code);
}
