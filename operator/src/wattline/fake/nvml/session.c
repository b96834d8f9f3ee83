/* One process's use of the shared file, and the handles it gives out. */
#define _GNU_SOURCE
#include "core.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of this process. A mapping stays when it is replaced: a call in another thread may still read it. */
static struct {
    pthread_mutex_t guard;
    struct node *node;
    dev_t device;
    ino_t inode;
    unsigned users;
    uint32_t number; /* part of every handle, so that handles end with their session */
    uint32_t epochs[GPUS_MAX];
} session = {.guard = PTHREAD_MUTEX_INITIALIZER};

static nvmlReturn_t attach(void) {
    const char *path = getenv("WATTLINE_FAKE_NVML");
    if (path == NULL)
        return NVML_ERROR_DRIVER_NOT_LOADED;
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file == -1)
        return errno == EACCES ? NVML_ERROR_NO_PERMISSION : NVML_ERROR_DRIVER_NOT_LOADED;
    struct stat status;
    nvmlReturn_t code = NVML_SUCCESS;
    if (fstat(file, &status) == -1) {
        code = NVML_ERROR_UNKNOWN;
    } else if (session.node == NULL || session.device != status.st_dev || session.inode != status.st_ino) {
        if ((size_t)status.st_size != sizeof(struct node)) {
            code = NVML_ERROR_LIB_RM_VERSION_MISMATCH;
        } else {
            void *bytes = mmap(NULL, sizeof(struct node), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
            if (bytes == MAP_FAILED) {
                code = NVML_ERROR_UNKNOWN;
            } else {
                session.device = status.st_dev;
                session.inode = status.st_ino;
                STORE(session.node, bytes);
            }
        }
    }
    close(file);
    if (code != NVML_SUCCESS)
        return code;
    if (session.node->magic != MAGIC || session.node->version != VERSION)
        return NVML_ERROR_LIB_RM_VERSION_MISMATCH;
    if (session.node->gpu_count > GPUS_MAX)
        return NVML_ERROR_UNKNOWN;
    return LOAD(session.node->loaded) ? NVML_SUCCESS : NVML_ERROR_DRIVER_NOT_LOADED;
}

nvmlReturn_t session_open(void) {
    pthread_mutex_lock(&session.guard);
    nvmlReturn_t code = session.users == 0 ? attach() : NVML_SUCCESS;
    if (code == NVML_SUCCESS) {
        struct call call = {.node = session.node, .id = CALL_INIT, .index = NO_GPU};
        code = leave(&call, strike(&call, AT_BEFORE));
    }
    if (code == NVML_SUCCESS) {
        if (session.users == 0) {
            STORE(session.number, session.number + 1);
            for (unsigned index = 0; index < GPUS_MAX; index++)
                STORE(session.epochs[index], LOAD(session.node->gpus[index].epoch));
        }
        STORE(session.users, session.users + 1);
    }
    pthread_mutex_unlock(&session.guard);
    return code;
}

nvmlReturn_t session_close(void) {
    pthread_mutex_lock(&session.guard);
    struct call call = {0};
    nvmlReturn_t code = enter(&call, CALL_SHUTDOWN);
    if (session.users > 0)
        STORE(session.users, session.users - 1);
    code = leave(&call, code);
    pthread_mutex_unlock(&session.guard);
    return code;
}

static nvmlReturn_t begin(struct call *call, uint32_t id) {
    *call = (struct call){.id = id, .index = NO_GPU};
    if (LOAD(session.users) == 0)
        return NVML_ERROR_UNINITIALIZED;
    call->node = LOAD(session.node);
    if (!LOAD(call->node->loaded))
        return NVML_ERROR_DRIVER_NOT_LOADED;
    wait_for_others(call->node);
    return NVML_SUCCESS;
}

nvmlReturn_t enter(struct call *call, uint32_t id) {
    nvmlReturn_t code = begin(call, id);
    return code == NVML_SUCCESS ? strike(call, AT_BEFORE) : code;
}

nvmlReturn_t enter_part(struct call *call, uint32_t id, nvmlDevice_t device) {
    nvmlReturn_t code = begin(call, id);
    if (code != NVML_SUCCESS)
        return code;
    uintptr_t number = (uintptr_t)device;
    uint32_t index = (uint32_t)(number & 0xff) - 1;
    if (number >> 12 != LOAD(session.number) || index >= call->node->gpu_count)
        return NVML_ERROR_INVALID_ARGUMENT;
    call->part = (uint32_t)(number >> 8 & 0xf);
    call->index = (int32_t)index;
    call->gpu = &call->node->gpus[index];
    code = strike(call, AT_BEFORE);
    if (LOAD(call->gpu->lost) || LOAD(call->gpu->epoch) != LOAD(session.epochs[index]))
        return NVML_ERROR_GPU_IS_LOST; /* also after the GPU is back: only a new session has live handles */
    return code;
}

nvmlReturn_t enter_gpu(struct call *call, uint32_t id, nvmlDevice_t device) {
    nvmlReturn_t code = enter_part(call, id, device);
    return code == NVML_SUCCESS && call->part != 0 ? NVML_ERROR_NOT_SUPPORTED : code;
}

nvmlReturn_t handle_of_part(struct call *call, uint32_t part, nvmlDevice_t *device) {
    if (device == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    *device = (nvmlDevice_t)((uintptr_t)LOAD(session.number) << 12 | part << 8 | (uint32_t)(call->index + 1));
    return NVML_SUCCESS;
}

nvmlReturn_t handle(struct call *call, uint32_t index, nvmlDevice_t *device) {
    if (index >= call->node->gpu_count || device == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    call->answer = index;
    struct gpu *gpu = &call->node->gpus[index];
    if (LOAD(gpu->lost) || LOAD(gpu->epoch) != LOAD(session.epochs[index]))
        return NVML_ERROR_GPU_IS_LOST;
    *device = (nvmlDevice_t)((uintptr_t)LOAD(session.number) << 12 | (index + 1));
    return NVML_SUCCESS;
}
