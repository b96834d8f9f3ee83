/* What a call answers, in NVIDIA's conventions. */
#define _GNU_SOURCE
#include "answers.h"

#include <string.h>
#include <unistd.h>

nvmlReturn_t give(struct call *call, nvmlReturn_t code, unsigned *out, uint64_t value) {
    if (code == NVML_SUCCESS && out == NULL)
        code = NVML_ERROR_INVALID_ARGUMENT;
    if (code == NVML_SUCCESS) {
        *out = (unsigned)(call->lies ? call->lie : value);
        call->answer = *out;
    }
    return leave(call, code);
}

nvmlReturn_t give_long(struct call *call, nvmlReturn_t code, unsigned long long *out, uint64_t value) {
    if (code == NVML_SUCCESS && out == NULL)
        code = NVML_ERROR_INVALID_ARGUMENT;
    if (code == NVML_SUCCESS) {
        *out = call->lies ? call->lie : value;
        call->answer = *out;
    }
    return leave(call, code);
}

nvmlReturn_t give_text(struct call *call, nvmlReturn_t code, char *out, unsigned length, const char *text) {
    if (code == NVML_SUCCESS && out == NULL)
        code = NVML_ERROR_INVALID_ARGUMENT;
    if (code == NVML_SUCCESS && length <= strlen(text))
        code = NVML_ERROR_INSUFFICIENT_SIZE;
    if (code == NVML_SUCCESS)
        strcpy(out, text); /* the length was looked at */
    return leave(call, code);
}

const struct identity *who(const struct call *call) {
    static const struct identity nobody;
    return call->gpu == NULL ? &nobody : &call->gpu->identity;
}

nvmlReturn_t enter_physics(struct call *call, uint32_t id, nvmlDevice_t device, struct physics *seen) {
    memset(seen, 0, sizeof *seen);
    nvmlReturn_t code = enter_gpu(call, id, device);
    return code == NVML_SUCCESS ? physics(call, seen) : code;
}

uint32_t enforced_mw(const struct gpu *gpu) {
    uint32_t limit = LOAD(gpu->settings.limit_mw), outside = LOAD(gpu->out_of_band_mw);
    return outside != 0 && outside < limit ? outside : limit;
}

uint64_t energy_mj(const struct gpu *gpu, const struct physics *seen) {
    uint64_t base = LOAD(gpu->energy_base_mj);
    return seen->energy_mj > base ? seen->energy_mj - base : 0;
}

int allowed(const struct call *call) {
    uint32_t only = LOAD(call->node->root_only);
    return only == SETTERS_FOR_ANYBODY || (only == SETTERS_FOR_ROOT && geteuid() == 0);
}
