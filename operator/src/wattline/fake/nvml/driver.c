/* The driver behind the calls: its lock, its record, the faults put upon it, and what the world publishes.
 * layout.py says who owns which bytes. */
#define _GNU_SOURCE
#include "core.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(pthread_mutex_t) <= sizeof(((struct node *)0)->lock), "the lock has room for a mutex");
_Static_assert(sizeof(struct physics) % sizeof(uint64_t) == 0, "publications are whole words");

enum { PUBLICATION_TRIES = 10000 };

static int64_t boot_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void pause_ms(long ms) {
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&left, &left) == -1 && errno == EINTR) {
    }
}

/* Where a setter's value goes; which preset it is stands in the value itself. */
static void *setting(struct gpu *gpu, uint32_t id, uint64_t value) {
    switch (id) {
    case CALL_SET_PROFILES:
        return &gpu->settings.profiles;
    case CALL_SET_PRESET:
        return &gpu->settings.presets[(value >> 60) % PRESETS];
    case CALL_ACTIVATE_PRESET:
        return &gpu->settings.preset;
    case CALL_SET_SMOOTHING:
        return &gpu->settings.smoothing;
    case CALL_SET_POWER_LIMIT:
        return &gpu->settings.limit_mw;
    case CALL_SET_PERSISTENCE:
        return &gpu->settings.persistence;
    case CALL_LOCK_CLOCKS:
    case CALL_RESET_CLOCKS:
        return &gpu->settings.lock;
    default:
        return NULL;
    }
}

static int is_long(uint32_t id) {
    return id == CALL_LOCK_CLOCKS || id == CALL_RESET_CLOCKS || id == CALL_SET_PROFILES || id == CALL_SET_PRESET;
}

static uint64_t setting_read(struct gpu *gpu, uint32_t id, uint64_t value) {
    void *place = setting(gpu, id, value);
    if (place == NULL)
        return 0;
    return is_long(id) ? LOAD(*(uint64_t *)place) : LOAD(*(uint32_t *)place);
}

static void setting_write(struct gpu *gpu, uint32_t id, uint64_t value) {
    void *place = setting(gpu, id, value);
    if (is_long(id))
        STORE(*(uint64_t *)place, value);
    else
        STORE(*(uint32_t *)place, (uint32_t)value);
}

/* A holder died: its record stands, and says what happened only once the setting has been looked at. */
static void settle(struct node *node) {
    uint64_t head = LOAD(node->setter_head);
    if (head == 0)
        return;
    struct entry *last = &node->setters[(head - 1) % SETTER_RING];
    if (last->code != PENDING)
        return;
    int done = last->gpu < 0 || last->gpu >= (int32_t)GPUS_MAX ||
               setting(&node->gpus[last->gpu], last->call, last->new) == NULL ||
               setting_read(&node->gpus[last->gpu], last->call, last->new) == last->new;
    STORE(last->code, done ? NVML_SUCCESS : NVML_ERROR_UNKNOWN);
    STORE(node->changes, node->changes + 1);
}

static int lock(struct node *node) {
    pthread_mutex_t *mutex = (pthread_mutex_t *)node->lock;
    switch (pthread_mutex_lock(mutex)) {
    case 0:
        return 1;
    case EOWNERDEAD:
        settle(node);
        return pthread_mutex_consistent(mutex) == 0;
    default:
        return 0;
    }
}

static void unlock(struct node *node) {
    pthread_mutex_unlock((pthread_mutex_t *)node->lock);
}

static int take(struct fault *fault) {
    uint32_t times = LOAD(fault->times);
    while (times != 0 && times != FOR_EVER) {
        if (__atomic_compare_exchange_n(&fault->times, &times, times - 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            return 1;
    }
    return times != 0;
}

void wait_for_others(struct node *node) {
    if (LOAD(node->one_lock) && lock(node))
        unlock(node);
}

nvmlReturn_t strike(struct call *call, uint32_t point) {
    struct fault *fault = call->gpu == NULL ? &call->node->faults[call->id] : &call->gpu->faults[call->id];
    if (LOAD(fault->times) == 0 || LOAD(fault->point) != point || !take(fault))
        return NVML_SUCCESS;
    nvmlReturn_t code = fault->code;
    if (fault->lies) {
        call->lies = 1;
        call->lie = fault->value;
    }
    if (fault->dies)
        kill(fault->victim == 0 ? getpid() : (pid_t)fault->victim, SIGKILL);
    if (fault->loses && call->gpu != NULL)
        STORE(call->gpu->lost, 1);
    int64_t since = boot_ns();
    for (uint32_t ms; (ms = LOAD(fault->hang_ms)) != 0;) { /* a test that clears the fault ends the hang */
        if (ms != FOR_EVER && boot_ns() - since >= (int64_t)ms * 1000000)
            break;
        pause_ms(1);
    }
    return code;
}

static void note(struct entry *entry, const struct call *call, uint64_t old, uint64_t new, uint32_t code) {
    entry->boot_ns = boot_ns();
    entry->old = old;
    entry->new = new;
    entry->pid = (uint32_t)getpid();
    entry->gpu = call->index;
    entry->call = call->id;
    entry->code = code;
}

nvmlReturn_t leave(struct call *call, nvmlReturn_t code) {
    if (call->node == NULL)
        return code;
    nvmlReturn_t late = strike(call, AT_AFTER);
    if (late != NVML_SUCCESS)
        code = late;
    uint64_t place = __atomic_fetch_add(&call->node->call_head, 1, __ATOMIC_ACQ_REL);
    struct entry *entry = &call->node->calls[place % CALL_RING];
    STORE(entry->sequence, 0);
    note(entry, call, 0, call->answer, code);
    STORE(entry->sequence, place + 1);
    return code;
}

/* The n-th setter of a node takes the same time in every run. */
static long setter_ms(const struct node *node, uint64_t n) {
    uint32_t least = LOAD(node->setter_ms), span = LOAD(node->setter_span_ms);
    return span == 0 ? (long)least : (long)(least + ((uint32_t)n * 2654435761u >> 16) % (span + 1));
}

nvmlReturn_t change(struct call *call, nvmlReturn_t code, uint64_t value) {
    struct node *node = call->node;
    if (node == NULL || call->gpu == NULL)
        return code;
    if (!lock(node))
        return NVML_ERROR_UNKNOWN;
    nvmlReturn_t now = strike(call, AT_LOCKED);
    if (code == NVML_SUCCESS)
        code = now;
    if (call->lies)
        value = call->lie;
    uint64_t head = LOAD(node->setter_head);
    pause_ms(setter_ms(node, head));
    uint64_t old = setting_read(call->gpu, call->id, value);
    struct entry *entry = &node->setters[head % SETTER_RING];
    note(entry, call, old, value, code == NVML_SUCCESS ? PENDING : code);
    STORE(entry->sequence, head + 1);
    STORE(node->setter_head, head + 1);
    now = strike(call, AT_RECORDED);
    if (code == NVML_SUCCESS)
        code = now;
    if (code == NVML_SUCCESS) {
        setting_write(call->gpu, call->id, value);
        STORE(node->changes, node->changes + 1);
    }
    now = strike(call, AT_WRITTEN);
    STORE(entry->code, code);
    unlock(node);
    nvmlReturn_t late = strike(call, AT_AFTER);
    if (code == NVML_SUCCESS)
        code = now != NVML_SUCCESS ? now : late;
    return code;
}

nvmlReturn_t physics(const struct call *call, struct physics *out) {
    enum { WORDS = sizeof(struct physics) / sizeof(uint64_t) };
    for (int tries = 0; tries < PUBLICATION_TRIES; tries++) {
        uint64_t number = LOAD(call->gpu->published);
        const struct physics *slot = &call->gpu->physics[number % 2];
        uint64_t words[WORDS], check = number;
        for (int word = 0; word < WORDS; word++) {
            words[word] = __atomic_load_n((const uint64_t *)slot + word, __ATOMIC_RELAXED);
            check ^= words[word]; /* the check word itself brings it to zero */
        }
        if (check == 0 && LOAD(call->gpu->published) == number) {
            memcpy(out, words, sizeof *out);
            return NVML_SUCCESS;
        }
    }
    return NVML_ERROR_TIMEOUT;
}
