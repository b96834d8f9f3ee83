/* The calls of libnvidia-ml.so.1 that Wattline and its tests use, by NVIDIA's names and conventions. A call that is
 * not here is one that the driver does not have: nvidia-ml-py then says FUNCTION_NOT_FOUND. There is no getter for
 * locked clocks, as there is none in the real library. */
#define _GNU_SOURCE
#include "core.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NVML __attribute__((visibility("default")))
#define LOAD(place) __atomic_load_n(&(place), __ATOMIC_ACQUIRE)

enum { CLOCK_GRAPHICS = 0, CLOCK_SM = 1, CLOCK_MEM = 2, CLOCK_VIDEO = 3, CLOCK_KINDS = 4 };
enum { SHUTDOWN = 0, SLOWDOWN = 1, MEMORY_MAX = 2, GPU_MAX = 3, THRESHOLDS = 8 };

#define LIMIT_ID_START 0xffffff00u
#define LIMIT_ID_TDP 0xffffff01u
#define LIMIT_ID_UNLIMITED 0xffffff02u
#define EVENT_REASONS_ALL 0x1ffu
#define TEMPERATURE_V1 0x100000cu
#define MARGIN_V1 0x1000008u

typedef struct {
    char legacy_bus_id[16];
    unsigned domain, bus, device, device_id, subsystem_id;
    char bus_id[32];
} nvmlPciInfo_t;

typedef struct {
    unsigned version, sensor;
    int celsius;
} nvmlTemperature_t;

typedef struct {
    unsigned version;
    int celsius;
} nvmlMarginTemperature_t;

typedef struct {
    unsigned gpu, memory;
} nvmlUtilization_t;

typedef struct {
    uint32_t field, scope;
    int64_t timestamp_us, latency_us;
    uint32_t type;
    nvmlReturn_t code;
    union {
        double floating;
        uint32_t u32;
        int32_t s32;
        uint64_t u64;
    } value;
} nvmlFieldValue_t;

enum { TYPE_U32 = 1, TYPE_U64 = 3, TYPE_S32 = 5 };

/* --- answers -------------------------------------------------------------------------------- */

static nvmlReturn_t give(struct call *call, nvmlReturn_t code, unsigned *out, uint64_t value) {
    if (code == NVML_SUCCESS && out == NULL)
        code = NVML_ERROR_INVALID_ARGUMENT;
    if (code == NVML_SUCCESS) {
        *out = (unsigned)(call->lies ? call->lie : value);
        call->answer = *out;
    }
    return leave(call, code);
}

static nvmlReturn_t give_long(struct call *call, nvmlReturn_t code, unsigned long long *out, uint64_t value) {
    if (code == NVML_SUCCESS && out == NULL)
        code = NVML_ERROR_INVALID_ARGUMENT;
    if (code == NVML_SUCCESS) {
        *out = call->lies ? call->lie : value;
        call->answer = *out;
    }
    return leave(call, code);
}

static nvmlReturn_t give_text(struct call *call, nvmlReturn_t code, char *out, unsigned length, const char *text) {
    if (code == NVML_SUCCESS && out == NULL)
        code = NVML_ERROR_INVALID_ARGUMENT;
    if (code == NVML_SUCCESS && length <= strlen(text))
        code = NVML_ERROR_INSUFFICIENT_SIZE;
    if (code == NVML_SUCCESS)
        strcpy(out, text); /* the length was looked at */
    return leave(call, code);
}

static const struct identity *who(const struct call *call) {
    static const struct identity nobody;
    return call->gpu == NULL ? &nobody : &call->gpu->identity;
}

/* Begin a call that reads what the world published. */
static nvmlReturn_t enter_physics(struct call *call, uint32_t id, nvmlDevice_t device, struct physics *seen) {
    memset(seen, 0, sizeof *seen);
    nvmlReturn_t code = enter_gpu(call, id, device);
    return code == NVML_SUCCESS ? physics(call, seen) : code;
}

static uint32_t enforced_mw(const struct gpu *gpu) {
    uint32_t limit = LOAD(gpu->settings.limit_mw), outside = LOAD(gpu->out_of_band_mw);
    return outside != 0 && outside < limit ? outside : limit;
}

/* Since the driver was loaded, which may be later than when the world began. */
static uint64_t energy_mj(const struct gpu *gpu, const struct physics *seen) {
    uint64_t base = LOAD(gpu->energy_base_mj);
    return seen->energy_mj > base ? seen->energy_mj - base : 0;
}

static int allowed(const struct call *call) {
    uint32_t only = LOAD(call->node->root_only);
    return only == SETTERS_FOR_ANYBODY || (only == SETTERS_FOR_ROOT && geteuid() == 0);
}

/* --- library and system --------------------------------------------------------------------- */

NVML nvmlReturn_t nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    return session_open();
}

NVML nvmlReturn_t nvmlInit_v2(void) {
    return session_open();
}

NVML nvmlReturn_t nvmlInit(void) {
    return session_open();
}

NVML nvmlReturn_t nvmlShutdown(void) {
    return session_close();
}

NVML const char *nvmlErrorString(nvmlReturn_t code) {
    static const char *const texts[] = {
        "Success", "Uninitialized", "Invalid Argument", "Not Supported", "Insufficient Permissions",
        "Already Initialized", "Not Found", "Insufficient Size", "Insufficient External Power", "Driver Not Loaded",
        "Timeout", "Interrupt Request Issue", "NVML Shared Library Not Found", "Function Not Found",
        "Corrupted infoROM", "GPU is lost", "GPU requires reset",
        "The operating system has blocked the request.", "Driver/library version mismatch", "In use by another client",
        "Insufficient Memory", "No data", "The requested vgpu operation is not available on target device",
        "Insufficient Resources", "Frequency Not Supported", "Argument Version Mismatch", "Deprecated", "Not Ready",
        "GPU not found", "Invalid State",
    };
    return code < sizeof texts / sizeof texts[0] ? texts[code] : "Unknown Error";
}

NVML nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned length) {
    struct call call;
    nvmlReturn_t code = enter(&call, CALL_DRIVER_VERSION);
    return give_text(&call, code, version, length, call.node == NULL ? "" : call.node->driver_version);
}

NVML nvmlReturn_t nvmlSystemGetNVMLVersion(char *version, unsigned length) {
    struct call call;
    nvmlReturn_t code = enter(&call, CALL_NVML_VERSION);
    return give_text(&call, code, version, length, call.node == NULL ? "" : call.node->nvml_version);
}

/* --- finding a GPU -------------------------------------------------------------------------- */

NVML nvmlReturn_t nvmlDeviceGetCount_v2(unsigned *count) {
    struct call call;
    nvmlReturn_t code = enter(&call, CALL_COUNT);
    return give(&call, code, count, call.node == NULL ? 0 : call.node->gpu_count);
}

NVML nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned index, nvmlDevice_t *device) {
    struct call call;
    nvmlReturn_t code = enter(&call, CALL_HANDLE_BY_INDEX);
    return leave(&call, code == NVML_SUCCESS ? handle(&call, index, device) : code);
}

NVML nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device) {
    struct call call;
    nvmlReturn_t code = enter(&call, CALL_HANDLE_BY_UUID);
    if (code == NVML_SUCCESS && uuid == NULL)
        code = NVML_ERROR_INVALID_ARGUMENT;
    if (code != NVML_SUCCESS)
        return leave(&call, code);
    for (uint32_t index = 0; index < call.node->gpu_count; index++) {
        if (strcmp(call.node->gpus[index].identity.uuid, uuid) == 0)
            return leave(&call, handle(&call, index, device));
    }
    return leave(&call, NVML_ERROR_NOT_FOUND);
}

NVML nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned length) {
    struct call call;
    nvmlReturn_t code = enter_gpu(&call, CALL_NAME, device);
    return give_text(&call, code, name, length, who(&call)->name);
}

NVML nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned length) {
    struct call call;
    nvmlReturn_t code = enter_gpu(&call, CALL_UUID, device);
    return give_text(&call, code, uuid, length, who(&call)->uuid);
}

NVML nvmlReturn_t nvmlDeviceGetSerial(nvmlDevice_t device, char *serial, unsigned length) {
    struct call call;
    nvmlReturn_t code = enter_gpu(&call, CALL_SERIAL, device);
    return give_text(&call, code, serial, length, who(&call)->serial);
}

NVML nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t device, unsigned *index) {
    struct call call;
    nvmlReturn_t code = enter_gpu(&call, CALL_INDEX, device);
    return give(&call, code, index, (uint64_t)call.index);
}

NVML nvmlReturn_t nvmlDeviceGetMinorNumber(nvmlDevice_t device, unsigned *minor) {
    struct call call;
    nvmlReturn_t code = enter_gpu(&call, CALL_MINOR_NUMBER, device);
    return give(&call, code, minor, (uint64_t)call.index);
}

NVML nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci) {
    struct call call;
    nvmlReturn_t code = enter_gpu(&call, CALL_PCI_INFO, device);
    if (code == NVML_SUCCESS && pci == NULL)
        code = NVML_ERROR_INVALID_ARGUMENT;
    if (code == NVML_SUCCESS) {
        memset(pci, 0, sizeof *pci);
        pci->bus = who(&call)->pci_bus & 0xff;
        snprintf(pci->bus_id, sizeof pci->bus_id, "00000000:%02X:00.0", pci->bus);
        snprintf(pci->legacy_bus_id, sizeof pci->legacy_bus_id, "0000:%02X:00.0", pci->bus);
    }
    return leave(&call, code);
}

/* --- watts ---------------------------------------------------------------------------------- */

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

/* --- clocks --------------------------------------------------------------------------------- */

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

/* --- heat ----------------------------------------------------------------------------------- */

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

/* --- state ---------------------------------------------------------------------------------- */

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

/* --- fields --------------------------------------------------------------------------------- */

static nvmlReturn_t u32(nvmlFieldValue_t *field, uint32_t value) {
    field->type = TYPE_U32;
    field->value.u64 = 0;
    field->value.u32 = value;
    return NVML_SUCCESS;
}

static nvmlReturn_t s32(nvmlFieldValue_t *field, int32_t value) {
    field->type = TYPE_S32;
    field->value.u64 = 0;
    field->value.s32 = value;
    return NVML_SUCCESS;
}

static nvmlReturn_t u64(nvmlFieldValue_t *field, uint64_t value) {
    field->type = TYPE_U64;
    field->value.u64 = value;
    return NVML_SUCCESS;
}

static nvmlReturn_t answer(const struct gpu *gpu, const struct physics *seen, nvmlFieldValue_t *field) {
    const struct identity *identity = &gpu->identity;
    uint32_t id = field->field;
    if (id >= FIELD_WORDS * 64)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (field->scope != 0 || LOAD(gpu->missing_fields[id / 64]) >> id % 64 & 1)
        return NVML_ERROR_NOT_SUPPORTED; /* scopes: module and memory power are not on these parts */
    int margins = seen->margin_celsius != NOT_AVAILABLE;
    switch (id) {
    case 74:
        return u64(field, seen->power_cap_ns);
    case 76:
        return u64(field, seen->sync_boost_ns);
    case 82:
        return seen->memory_celsius == NOT_AVAILABLE ? NVML_ERROR_NOT_SUPPORTED
                                                     : u32(field, (uint32_t)seen->memory_celsius);
    case 83:
        return u64(field, energy_mj(gpu, seen));
    case 185:
        return u32(field, seen->watts_mw);
    case 186:
        return u32(field, seen->instant_mw);
    case 187:
        return u32(field, identity->min_mw);
    case 188:
        return u32(field, identity->max_mw);
    case 189:
        return u32(field, identity->default_mw);
    case 190:
        return u32(field, enforced_mw(gpu));
    case 192:
        return u32(field, LOAD(gpu->settings.limit_mw));
    case 193:
        return margins ? s32(field, identity->shutdown_offset) : NVML_ERROR_NOT_SUPPORTED;
    case 194:
        return margins ? s32(field, identity->slowdown_offset) : NVML_ERROR_NOT_SUPPORTED;
    case 195:
        return margins ? s32(field, identity->memory_max_offset) : NVML_ERROR_NOT_SUPPORTED;
    case 196:
        return margins ? s32(field, identity->gpu_max_offset) : NVML_ERROR_NOT_SUPPORTED;
    case 269:
        return u64(field, seen->sw_thermal_ns);
    case 270:
        return u64(field, seen->hw_thermal_ns);
    case 271:
        return u64(field, seen->power_brake_ns);
    default:
        return NVML_ERROR_NOT_SUPPORTED;
    }
}

NVML nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int count, nvmlFieldValue_t *values) {
    struct call call;
    struct physics seen;
    nvmlReturn_t code = enter_physics(&call, CALL_FIELD_VALUES, device, &seen);
    if (code == NVML_SUCCESS && (count < 1 || values == NULL))
        code = NVML_ERROR_INVALID_ARGUMENT;
    if (code == NVML_SUCCESS) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        for (int place = 0; place < count; place++) {
            nvmlFieldValue_t *field = &values[place];
            field->timestamp_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
            field->latency_us = 0;
            field->code = answer(call.gpu, &seen, field);
            if (call.lies && field->code == NVML_SUCCESS)
                field->value.u64 = call.lie;
        }
        call.answer = (uint64_t)count;
    }
    return leave(&call, code);
}
