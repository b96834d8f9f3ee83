/* Clocks, and locks on them. There is no getter for a lock, as there is none in the real library. */
#include "answers.h"

enum { CLOCK_GRAPHICS = 0, CLOCK_SM = 1, CLOCK_MEM = 2, CLOCK_VIDEO = 3, CLOCK_KINDS = 4 };

#define LIMIT_ID_START 0xffffff00u
#define LIMIT_ID_TDP 0xffffff01u
#define LIMIT_ID_UNLIMITED 0xffffff02u

static uint32_t fastest_mhz(const struct identity *identity) {
    return identity->clock_count == 0 ? 0 : identity->clocks_mhz[identity->clock_count - 1];
}

/* The fastest supported clock that is not above `mhz`, else the slowest; the list is slowest first. */
static uint32_t snap_mhz(const struct identity *identity, uint32_t mhz) {
    uint32_t found = identity->clocks_mhz[0];
    for (uint32_t place = 0; place < identity->clock_count && identity->clocks_mhz[place] <= mhz; place++)
        found = identity->clocks_mhz[place];
    return found;
}

static uint32_t named_mhz(const struct identity *identity, uint32_t mhz) {
    return mhz == LIMIT_ID_TDP ? identity->base_mhz : mhz == LIMIT_ID_UNLIMITED ? fastest_mhz(identity) : mhz;
}

NVML nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t device, unsigned kind, unsigned *mhz) {
    struct call call;
    struct physics seen;
    nvmlReturn_t code = enter_physics(&call, CALL_CLOCK, device, &seen);
    if (code == NVML_SUCCESS && kind >= CLOCK_KINDS)
        code = NVML_ERROR_INVALID_ARGUMENT;
    if (code == NVML_SUCCESS && kind == CLOCK_VIDEO)
        code = NVML_ERROR_NOT_SUPPORTED; /* the world has no video clock */
    return give(&call, code, mhz, kind == CLOCK_MEM ? who(&call)->memory_mhz : seen.clock_mhz);
}

NVML nvmlReturn_t nvmlDeviceGetMaxClockInfo(nvmlDevice_t device, unsigned kind, unsigned *mhz) {
    struct call call;
    nvmlReturn_t code = enter_gpu(&call, CALL_MAX_CLOCK, device);
    if (code == NVML_SUCCESS && kind >= CLOCK_KINDS)
        code = NVML_ERROR_INVALID_ARGUMENT;
    if (code == NVML_SUCCESS && kind == CLOCK_VIDEO)
        code = NVML_ERROR_NOT_SUPPORTED;
    return give(&call, code, mhz, kind == CLOCK_MEM ? who(&call)->memory_mhz : fastest_mhz(who(&call)));
}

NVML nvmlReturn_t nvmlDeviceGetSupportedMemoryClocks(nvmlDevice_t device, unsigned *count, unsigned *mhz) {
    struct call call;
    nvmlReturn_t code = enter_gpu(&call, CALL_MEMORY_CLOCKS, device);
    if (code == NVML_SUCCESS && count == NULL)
        code = NVML_ERROR_INVALID_ARGUMENT;
    if (code == NVML_SUCCESS) {
        unsigned room = *count;
        *count = 1;
        if (room < 1 || mhz == NULL)
            code = NVML_ERROR_INSUFFICIENT_SIZE;
        else
            mhz[0] = who(&call)->memory_mhz;
    }
    return leave(&call, code);
}

NVML nvmlReturn_t nvmlDeviceGetSupportedGraphicsClocks(nvmlDevice_t device, unsigned memory_mhz, unsigned *count,
                                                       unsigned *mhz) {
    struct call call;
    nvmlReturn_t code = enter_gpu(&call, CALL_GRAPHICS_CLOCKS, device);
    const struct identity *identity = who(&call);
    if (code == NVML_SUCCESS && count == NULL)
        code = NVML_ERROR_INVALID_ARGUMENT;
    if (code == NVML_SUCCESS && memory_mhz != identity->memory_mhz)
        code = NVML_ERROR_NOT_FOUND;
    if (code == NVML_SUCCESS) {
        unsigned room = *count;
        *count = identity->clock_count;
        if (room < identity->clock_count || mhz == NULL)
            code = NVML_ERROR_INSUFFICIENT_SIZE;
        else
            for (uint32_t place = 0; place < identity->clock_count; place++) /* the real one is fastest first */
                mhz[place] = identity->clocks_mhz[identity->clock_count - 1 - place];
    }
    return leave(&call, code);
}

NVML nvmlReturn_t nvmlDeviceSetGpuLockedClocks(nvmlDevice_t device, unsigned min_mhz, unsigned max_mhz) {
    struct call call;
    nvmlReturn_t code = enter_gpu(&call, CALL_LOCK_CLOCKS, device);
    const struct identity *identity = who(&call);
    if (code == NVML_SUCCESS && !allowed(&call))
        code = NVML_ERROR_NO_PERMISSION;
    int named = min_mhz >= LIMIT_ID_START;
    if (code == NVML_SUCCESS && named != (max_mhz >= LIMIT_ID_START))
        code = NVML_ERROR_INVALID_ARGUMENT;
    min_mhz = named_mhz(identity, min_mhz);
    max_mhz = named_mhz(identity, max_mhz);
    if (code == NVML_SUCCESS && (min_mhz > max_mhz || max_mhz >= LIMIT_ID_START))
        code = NVML_ERROR_INVALID_ARGUMENT;
    uint64_t low = snap_mhz(identity, min_mhz), high = snap_mhz(identity, max_mhz);
    if (identity->lock_clamp_mhz != 0 && high > identity->lock_clamp_mhz)
        high = snap_mhz(identity, identity->lock_clamp_mhz);
    if (low > high)
        low = high;
    return change(&call, code, low << 32 | high);
}

NVML nvmlReturn_t nvmlDeviceResetGpuLockedClocks(nvmlDevice_t device) {
    struct call call;
    nvmlReturn_t code = enter_gpu(&call, CALL_RESET_CLOCKS, device);
    if (code == NVML_SUCCESS && !allowed(&call))
        code = NVML_ERROR_NO_PERMISSION;
    return change(&call, code, 0);
}
