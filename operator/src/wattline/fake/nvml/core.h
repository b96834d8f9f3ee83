/* What every exported call goes through: the session, faults on command, the lock, the journal. */
#ifndef WATTLINE_CORE_H
#define WATTLINE_CORE_H

#include "layout.h"

#define LOAD(place) __atomic_load_n(&(place), __ATOMIC_ACQUIRE)
#define STORE(place, value) __atomic_store_n(&(place), (value), __ATOMIC_RELEASE)

typedef unsigned nvmlReturn_t;
typedef struct nvmlDevice *nvmlDevice_t; /* a number, never followed */

enum {
    NVML_SUCCESS = 0,
    NVML_ERROR_UNINITIALIZED = 1,
    NVML_ERROR_INVALID_ARGUMENT = 2,
    NVML_ERROR_NOT_SUPPORTED = 3,
    NVML_ERROR_NO_PERMISSION = 4,
    NVML_ERROR_NOT_FOUND = 6,
    NVML_ERROR_INSUFFICIENT_SIZE = 7,
    NVML_ERROR_DRIVER_NOT_LOADED = 9,
    NVML_ERROR_TIMEOUT = 10,
    NVML_ERROR_GPU_IS_LOST = 15,
    NVML_ERROR_LIB_RM_VERSION_MISMATCH = 18,
    NVML_ERROR_ARGUMENT_VERSION_MISMATCH = 25,
    NVML_ERROR_UNKNOWN = 999,
};

/* One call on its way. */
struct call {
    struct node *node;
    struct gpu *gpu; /* NULL for calls that name no GPU */
    uint32_t id;
    int32_t index;
    uint32_t part; /* which part of the GPU the handle names, from 1; 0: the whole */
    uint64_t answer; /* what the journal notes */
    uint64_t lie;
    int lies;
};

/* Open the mapping named by WATTLINE_FAKE_NVML, or count one more user of it; and the reverse. */
nvmlReturn_t session_open(void);
nvmlReturn_t session_close(void);

/* Begin a call: is the session open, the handle alive, and what do faults say? */
nvmlReturn_t enter(struct call *call, uint32_t id);
nvmlReturn_t enter_gpu(struct call *call, uint32_t id, nvmlDevice_t device);

/* The same for the few calls that a part of a GPU (MIG) answers too; to all others it is no device. */
nvmlReturn_t enter_part(struct call *call, uint32_t id, nvmlDevice_t device);

/* Make the handle of a part of the call's GPU, or (part 0) of the GPU itself. */
nvmlReturn_t handle_of_part(struct call *call, uint32_t part, nvmlDevice_t *device);

/* Make the handle of GPU `index` for this session. */
nvmlReturn_t handle(struct call *call, uint32_t index, nvmlDevice_t *device);

/* Where one lock serves all devices, wait until no setter holds it. */
void wait_for_others(struct node *node);

/* Let the fault that a test has put at this point of the call happen; return its code. */
nvmlReturn_t strike(struct call *call, uint32_t point);

/* End a call that only reads: strike late faults, note it, return what the caller sees. */
nvmlReturn_t leave(struct call *call, nvmlReturn_t code);

/* End a setter: refuse with `code`, or change the setting that belongs to the call to `value`. */
nvmlReturn_t change(struct call *call, nvmlReturn_t code, uint64_t value);

/* Copy the newest whole publication of the world. */
nvmlReturn_t physics(const struct call *call, struct physics *out);

#endif
