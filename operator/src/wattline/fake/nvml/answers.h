/* What the exported calls share: how they answer, and what they know of a GPU. */
#ifndef WATTLINE_ANSWERS_H
#define WATTLINE_ANSWERS_H

#include "core.h"

#define NVML __attribute__((visibility("default")))

/* End a call with its answer: refuse with `code`, or say `value` (or what a fault makes of it). */
nvmlReturn_t give(struct call *call, nvmlReturn_t code, unsigned *out, uint64_t value);
nvmlReturn_t give_long(struct call *call, nvmlReturn_t code, unsigned long long *out, uint64_t value);
nvmlReturn_t give_text(struct call *call, nvmlReturn_t code, char *out, unsigned length, const char *text);

/* The GPU's identity; of no GPU, one that is all zero. */
const struct identity *who(const struct call *call);

/* Begin a call that reads what the world published. */
nvmlReturn_t enter_physics(struct call *call, uint32_t id, nvmlDevice_t device, struct physics *seen);

/* What is in force: out-of-band management may allow less than was asked for. */
uint32_t enforced_mw(const struct gpu *gpu);

/* Energy since the driver was loaded, which may be later than when the world began. */
uint64_t energy_mj(const struct gpu *gpu, const struct physics *seen);

/* Whether this process may call setters. */
int allowed(const struct call *call);

#endif
