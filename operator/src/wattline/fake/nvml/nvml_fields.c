/* Many readings in one call. */
#define _GNU_SOURCE
#include "answers.h"

#include <time.h>

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
enum { PRESET_FLOOR = 260, PRESET_RAMP_UP = 261 };

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

static uint64_t preset(const struct gpu *gpu, const nvmlFieldValue_t *field) {
    return field->scope < PRESETS ? LOAD(gpu->settings.presets[field->scope]) : 0;
}

static nvmlReturn_t smoothing(const struct gpu *gpu, nvmlFieldValue_t *field, uint64_t value) {
    if (!gpu->identity.smooths)
        return NVML_ERROR_NOT_SUPPORTED;
    return field->scope < PRESETS ? u32(field, (uint32_t)value) : NVML_ERROR_INVALID_ARGUMENT;
}

static nvmlReturn_t answer(const struct gpu *gpu, const struct physics *seen, nvmlFieldValue_t *field) {
    const struct identity *identity = &gpu->identity;
    uint32_t id = field->field;
    if (id >= FIELD_WORDS * 64)
        return NVML_ERROR_INVALID_ARGUMENT;
    int of_preset = id == PRESET_FLOOR || id == PRESET_RAMP_UP; /* their scope is the preset's number */
    if ((field->scope != 0 && !of_preset) || LOAD(gpu->missing_fields[id / 64]) >> id % 64 & 1)
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
    case 251: /* power smoothing: on; 256 and 257: greatest and least floor, in percent */
        return smoothing(gpu, field, LOAD(gpu->settings.smoothing));
    case 256:
        return smoothing(gpu, field, 90);
    case 257:
        return smoothing(gpu, field, 0);
    case 259: /* how many presets */
        return smoothing(gpu, field, PRESETS);
    case PRESET_FLOOR:
        return smoothing(gpu, field, (preset(gpu, field) >> 32 & 0xffff) / 100);
    case PRESET_RAMP_UP:
        return smoothing(gpu, field, preset(gpu, field) & 0xffffffff);
    case 264: /* the active one */
        return smoothing(gpu, field, LOAD(gpu->settings.preset));
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
