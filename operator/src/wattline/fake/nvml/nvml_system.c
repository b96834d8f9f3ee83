/* The library itself, and finding a GPU. A call of NVIDIA's that no file here has is one that this driver lacks:
 * nvidia-ml-py then says FUNCTION_NOT_FOUND. */
#include "answers.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    char legacy_bus_id[16];
    unsigned domain, bus, device, device_id, subsystem_id;
    char bus_id[32];
} nvmlPciInfo_t;

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
    nvmlReturn_t code = enter_part(&call, CALL_UUID, device);
    const char *name = call.part == 0 ? who(&call)->uuid : call.gpu->parts[(call.part - 1) % PARTS_MAX].uuid;
    return give_text(&call, code, uuid, length, name);
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
