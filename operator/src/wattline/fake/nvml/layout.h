/* Written by `python -m wattline.fake.nvml header`; layout.py says what it means. */
#ifndef WATTLINE_LAYOUT_H
#define WATTLINE_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#define MAGIC 1431324503u
#define VERSION 3u
#define GPUS_MAX 64u
#define SETTER_RING 65536u
#define CALL_RING 16384u
#define FIELD_WORDS 5u
#define PARTS_MAX 7u
#define PRESETS 5u
#define NO_GPU (-1)
#define PENDING 4294967295u
#define FOR_EVER 4294967295u
#define NOT_AVAILABLE INT32_MIN

enum {
    CALL_INIT = 0,
    CALL_SHUTDOWN = 1,
    CALL_DRIVER_VERSION = 2,
    CALL_NVML_VERSION = 3,
    CALL_COUNT = 4,
    CALL_HANDLE_BY_INDEX = 5,
    CALL_HANDLE_BY_UUID = 6,
    CALL_NAME = 7,
    CALL_UUID = 8,
    CALL_SERIAL = 9,
    CALL_INDEX = 10,
    CALL_MINOR_NUMBER = 11,
    CALL_PCI_INFO = 12,
    CALL_POWER_USAGE = 13,
    CALL_TOTAL_ENERGY = 14,
    CALL_POWER_LIMIT = 15,
    CALL_POWER_LIMIT_CONSTRAINTS = 16,
    CALL_POWER_LIMIT_DEFAULT = 17,
    CALL_POWER_LIMIT_ENFORCED = 18,
    CALL_POWER_MANAGEMENT_MODE = 19,
    CALL_CLOCK = 20,
    CALL_MAX_CLOCK = 21,
    CALL_MEMORY_CLOCKS = 22,
    CALL_GRAPHICS_CLOCKS = 23,
    CALL_TEMPERATURE = 24,
    CALL_TEMPERATURE_V = 25,
    CALL_TEMPERATURE_THRESHOLD = 26,
    CALL_MARGIN = 27,
    CALL_FIELD_VALUES = 28,
    CALL_EVENT_REASONS = 29,
    CALL_SUPPORTED_EVENT_REASONS = 30,
    CALL_PERSISTENCE = 31,
    CALL_PERFORMANCE_STATE = 32,
    CALL_UTILIZATION = 33,
    CALL_MIG_MODE = 34,
    CALL_VIRTUALIZATION_MODE = 35,
    CALL_PROCESSES = 36,
    CALL_SET_POWER_LIMIT = 37,
    CALL_LOCK_CLOCKS = 38,
    CALL_RESET_CLOCKS = 39,
    CALL_SET_PERSISTENCE = 40,
    CALL_POWER_ON = 41,
    CALL_DRIVER_RELOAD = 42,
    CALL_OUT_OF_BAND_LIMIT = 43,
    CALL_SET_PROFILES = 44,
    CALL_SET_PRESET = 45,
    CALL_ACTIVATE_PRESET = 46,
    CALL_SET_SMOOTHING = 47,
    CALL_PROFILES_INFO = 48,
    CALL_CURRENT_PROFILES = 49,
    CALL_PARTS_MAX_COUNT = 50,
    CALL_PART_BY_INDEX = 51,
    CALL_WHOLE_OF_PART = 52,
    CALL_IS_PART = 53,
};

enum {
    AT_BEFORE = 0,
    AT_LOCKED = 1,
    AT_RECORDED = 2,
    AT_WRITTEN = 3,
    AT_AFTER = 4,
};

enum {
    SETTERS_FOR_ANYBODY = 0,
    SETTERS_FOR_ROOT = 1,
    SETTERS_FOR_NOBODY = 2,
};

struct fault {
    uint64_t value;
    uint32_t code;
    uint32_t hang_ms;
    uint32_t times;
    uint32_t point;
    uint32_t dies;
    uint32_t lies;
    uint32_t loses;
    uint32_t victim;
};
_Static_assert(sizeof(struct fault) == 40, "fault");
_Static_assert(offsetof(struct fault, value) == 0, "value");
_Static_assert(offsetof(struct fault, code) == 8, "code");
_Static_assert(offsetof(struct fault, hang_ms) == 12, "hang_ms");
_Static_assert(offsetof(struct fault, times) == 16, "times");
_Static_assert(offsetof(struct fault, point) == 20, "point");
_Static_assert(offsetof(struct fault, dies) == 24, "dies");
_Static_assert(offsetof(struct fault, lies) == 28, "lies");
_Static_assert(offsetof(struct fault, loses) == 32, "loses");
_Static_assert(offsetof(struct fault, victim) == 36, "victim");

struct identity {
    char uuid[96];
    char name[96];
    char serial[32];
    char product[32];
    uint32_t min_mw;
    uint32_t max_mw;
    uint32_t default_mw;
    uint32_t base_mhz;
    uint32_t memory_mhz;
    uint32_t lock_clamp_mhz;
    int32_t reference_celsius;
    int32_t shutdown_offset;
    int32_t slowdown_offset;
    int32_t gpu_max_offset;
    int32_t memory_max_offset;
    uint32_t pci_bus;
    uint32_t clock_count;
    uint32_t clocks_mhz[256];
    uint32_t smooths;
    uint64_t profiles;
};
_Static_assert(sizeof(struct identity) == 1344, "identity");
_Static_assert(offsetof(struct identity, uuid) == 0, "uuid");
_Static_assert(offsetof(struct identity, name) == 96, "name");
_Static_assert(offsetof(struct identity, serial) == 192, "serial");
_Static_assert(offsetof(struct identity, product) == 224, "product");
_Static_assert(offsetof(struct identity, min_mw) == 256, "min_mw");
_Static_assert(offsetof(struct identity, max_mw) == 260, "max_mw");
_Static_assert(offsetof(struct identity, default_mw) == 264, "default_mw");
_Static_assert(offsetof(struct identity, base_mhz) == 268, "base_mhz");
_Static_assert(offsetof(struct identity, memory_mhz) == 272, "memory_mhz");
_Static_assert(offsetof(struct identity, lock_clamp_mhz) == 276, "lock_clamp_mhz");
_Static_assert(offsetof(struct identity, reference_celsius) == 280, "reference_celsius");
_Static_assert(offsetof(struct identity, shutdown_offset) == 284, "shutdown_offset");
_Static_assert(offsetof(struct identity, slowdown_offset) == 288, "slowdown_offset");
_Static_assert(offsetof(struct identity, gpu_max_offset) == 292, "gpu_max_offset");
_Static_assert(offsetof(struct identity, memory_max_offset) == 296, "memory_max_offset");
_Static_assert(offsetof(struct identity, pci_bus) == 300, "pci_bus");
_Static_assert(offsetof(struct identity, clock_count) == 304, "clock_count");
_Static_assert(offsetof(struct identity, clocks_mhz) == 308, "clocks_mhz");
_Static_assert(offsetof(struct identity, smooths) == 1332, "smooths");
_Static_assert(offsetof(struct identity, profiles) == 1336, "profiles");

struct settings {
    uint64_t lock;
    uint32_t limit_mw;
    uint32_t persistence;
    uint64_t profiles;
    uint64_t presets[5];
    uint32_t preset;
    uint32_t smoothing;
};
_Static_assert(sizeof(struct settings) == 72, "settings");
_Static_assert(offsetof(struct settings, lock) == 0, "lock");
_Static_assert(offsetof(struct settings, limit_mw) == 8, "limit_mw");
_Static_assert(offsetof(struct settings, persistence) == 12, "persistence");
_Static_assert(offsetof(struct settings, profiles) == 16, "profiles");
_Static_assert(offsetof(struct settings, presets) == 24, "presets");
_Static_assert(offsetof(struct settings, preset) == 64, "preset");
_Static_assert(offsetof(struct settings, smoothing) == 68, "smoothing");

struct part {
    char uuid[96];
};
_Static_assert(sizeof(struct part) == 96, "part");
_Static_assert(offsetof(struct part, uuid) == 0, "uuid");

struct physics {
    uint64_t energy_mj;
    uint64_t reasons;
    uint64_t power_cap_ns;
    uint64_t sync_boost_ns;
    uint64_t sw_thermal_ns;
    uint64_t hw_thermal_ns;
    uint64_t power_brake_ns;
    uint32_t watts_mw;
    uint32_t instant_mw;
    uint32_t clock_mhz;
    uint32_t busy_percent;
    int32_t celsius;
    int32_t memory_celsius;
    int32_t margin_celsius;
    uint32_t padding;
    uint64_t check;
};
_Static_assert(sizeof(struct physics) == 96, "physics");
_Static_assert(offsetof(struct physics, energy_mj) == 0, "energy_mj");
_Static_assert(offsetof(struct physics, reasons) == 8, "reasons");
_Static_assert(offsetof(struct physics, power_cap_ns) == 16, "power_cap_ns");
_Static_assert(offsetof(struct physics, sync_boost_ns) == 24, "sync_boost_ns");
_Static_assert(offsetof(struct physics, sw_thermal_ns) == 32, "sw_thermal_ns");
_Static_assert(offsetof(struct physics, hw_thermal_ns) == 40, "hw_thermal_ns");
_Static_assert(offsetof(struct physics, power_brake_ns) == 48, "power_brake_ns");
_Static_assert(offsetof(struct physics, watts_mw) == 56, "watts_mw");
_Static_assert(offsetof(struct physics, instant_mw) == 60, "instant_mw");
_Static_assert(offsetof(struct physics, clock_mhz) == 64, "clock_mhz");
_Static_assert(offsetof(struct physics, busy_percent) == 68, "busy_percent");
_Static_assert(offsetof(struct physics, celsius) == 72, "celsius");
_Static_assert(offsetof(struct physics, memory_celsius) == 76, "memory_celsius");
_Static_assert(offsetof(struct physics, margin_celsius) == 80, "margin_celsius");
_Static_assert(offsetof(struct physics, padding) == 84, "padding");
_Static_assert(offsetof(struct physics, check) == 88, "check");

struct entry {
    uint64_t sequence;
    int64_t boot_ns;
    uint64_t old;
    uint64_t new;
    uint32_t pid;
    int32_t gpu;
    uint32_t call;
    uint32_t code;
};
_Static_assert(sizeof(struct entry) == 48, "entry");
_Static_assert(offsetof(struct entry, sequence) == 0, "sequence");
_Static_assert(offsetof(struct entry, boot_ns) == 8, "boot_ns");
_Static_assert(offsetof(struct entry, old) == 16, "old");
_Static_assert(offsetof(struct entry, new) == 24, "new");
_Static_assert(offsetof(struct entry, pid) == 32, "pid");
_Static_assert(offsetof(struct entry, gpu) == 36, "gpu");
_Static_assert(offsetof(struct entry, call) == 40, "call");
_Static_assert(offsetof(struct entry, code) == 44, "code");

struct gpu {
    struct identity identity;
    struct settings settings;
    uint64_t published;
    struct physics physics[2];
    uint64_t energy_base_mj;
    uint32_t epoch;
    uint32_t lost;
    uint32_t out_of_band_mw;
    uint32_t mig;
    uint32_t part_count;
    uint32_t padding;
    struct part parts[7];
    uint64_t missing_fields[5];
    struct fault faults[54];
};
_Static_assert(sizeof(struct gpu) == 4520, "gpu");
_Static_assert(offsetof(struct gpu, identity) == 0, "identity");
_Static_assert(offsetof(struct gpu, settings) == 1344, "settings");
_Static_assert(offsetof(struct gpu, published) == 1416, "published");
_Static_assert(offsetof(struct gpu, physics) == 1424, "physics");
_Static_assert(offsetof(struct gpu, energy_base_mj) == 1616, "energy_base_mj");
_Static_assert(offsetof(struct gpu, epoch) == 1624, "epoch");
_Static_assert(offsetof(struct gpu, lost) == 1628, "lost");
_Static_assert(offsetof(struct gpu, out_of_band_mw) == 1632, "out_of_band_mw");
_Static_assert(offsetof(struct gpu, mig) == 1636, "mig");
_Static_assert(offsetof(struct gpu, part_count) == 1640, "part_count");
_Static_assert(offsetof(struct gpu, padding) == 1644, "padding");
_Static_assert(offsetof(struct gpu, parts) == 1648, "parts");
_Static_assert(offsetof(struct gpu, missing_fields) == 2320, "missing_fields");
_Static_assert(offsetof(struct gpu, faults) == 2360, "faults");

struct node {
    uint32_t magic;
    uint32_t version;
    uint64_t size;
    uint64_t lock[16];
    uint32_t gpu_count;
    uint32_t loaded;
    uint32_t root_only;
    uint32_t setter_ms;
    uint32_t setter_span_ms;
    uint32_t one_lock;
    char driver_version[80];
    char nvml_version[80];
    uint64_t changes;
    uint64_t setter_head;
    uint64_t call_head;
    struct fault faults[54];
    struct gpu gpus[64];
    struct entry setters[65536];
    struct entry calls[16384];
};
_Static_assert(sizeof(struct node) == 4223952, "node");
_Static_assert(offsetof(struct node, magic) == 0, "magic");
_Static_assert(offsetof(struct node, version) == 4, "version");
_Static_assert(offsetof(struct node, size) == 8, "size");
_Static_assert(offsetof(struct node, lock) == 16, "lock");
_Static_assert(offsetof(struct node, gpu_count) == 144, "gpu_count");
_Static_assert(offsetof(struct node, loaded) == 148, "loaded");
_Static_assert(offsetof(struct node, root_only) == 152, "root_only");
_Static_assert(offsetof(struct node, setter_ms) == 156, "setter_ms");
_Static_assert(offsetof(struct node, setter_span_ms) == 160, "setter_span_ms");
_Static_assert(offsetof(struct node, one_lock) == 164, "one_lock");
_Static_assert(offsetof(struct node, driver_version) == 168, "driver_version");
_Static_assert(offsetof(struct node, nvml_version) == 248, "nvml_version");
_Static_assert(offsetof(struct node, changes) == 328, "changes");
_Static_assert(offsetof(struct node, setter_head) == 336, "setter_head");
_Static_assert(offsetof(struct node, call_head) == 344, "call_head");
_Static_assert(offsetof(struct node, faults) == 352, "faults");
_Static_assert(offsetof(struct node, gpus) == 2512, "gpus");
_Static_assert(offsetof(struct node, setters) == 291792, "setters");
_Static_assert(offsetof(struct node, calls) == 3437520, "calls");

#endif
