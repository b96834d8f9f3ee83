/* Preloaded into an agent: ends a process before or after a step by which another one writes a file.
 *
 * Steps are the calls that create, write, sync and rename files under one folder, and that open it for syncing;
 * they are counted in a file that the suite shares. An agent knows nothing of it. points.py has the same struct. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES = 1024, TRACE = 256, PATH = 256 };
enum { CREATE = 1, WRITE = 2, SYNC = 3, RENAME = 4, FOLDER = 5 };

struct points {
    uint64_t count; /* steps that happened */
    uint64_t at;    /* the step that is the end of somebody; 0: none */
    uint32_t after; /* whether it is the end once the step is made, not before */
    uint32_t victim; /* 0: whoever makes the step */
    uint64_t fired;
    char writer[64]; /* part of the command line of the processes whose steps count */
    char folder[PATH];
    uint32_t trace[TRACE]; /* kinds of the last steps */
};

static struct points *shared;
static int counts; /* whether this process is one of those */
static unsigned char watched[FILES];

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("WATTLINE_POINTS");
    int file = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    if (file == -1)
        return;
    void *bytes = mmap(NULL, sizeof(struct points), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (bytes == MAP_FAILED)
        return;
    char line[4096];
    int own = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t length = own == -1 ? 0 : read(own, line, sizeof line - 1);
    if (own != -1)
        close(own);
    for (ssize_t place = 0; place < length; place++)
        if (line[place] == '\0')
            line[place] = ' ';
    line[length > 0 ? length : 0] = '\0';
    shared = bytes;
    counts = strstr(line, shared->writer) != NULL;
}

static void end(void) {
    __atomic_store_n(&shared->fired, 1, __ATOMIC_RELEASE);
    kill(shared->victim == 0 ? getpid() : (pid_t)shared->victim, SIGKILL);
}

/* Count a step that is about to be made; return its number. */
static uint64_t before(uint32_t kind) {
    uint64_t number = __atomic_add_fetch(&shared->count, 1, __ATOMIC_ACQ_REL);
    shared->trace[(number - 1) % TRACE] = kind;
    if (number == __atomic_load_n(&shared->at, __ATOMIC_ACQUIRE) && !shared->after)
        end();
    return number;
}

static void after(uint64_t number) {
    if (number == __atomic_load_n(&shared->at, __ATOMIC_ACQUIRE) && shared->after)
        end();
}

static int under(const char *path) {
    return shared != NULL && counts && strncmp(path, shared->folder, strlen(shared->folder)) == 0;
}

static int opened(int (*real)(const char *, int, ...), const char *path, int flags, mode_t mode) {
    int folder = (flags & O_DIRECTORY) != 0, writes = (flags & O_ACCMODE) != O_RDONLY;
    if (!under(path) || (!folder && !writes))
        return real(path, flags, mode);
    uint64_t number = before(folder ? FOLDER : CREATE);
    int file = real(path, flags, mode);
    if (file >= 0 && file < FILES)
        watched[file] = 1;
    after(number);
    return file;
}

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                      \
        static int (*real)(const char *, int, ...);                                                                   \
        if (real == NULL)                                                                                              \
            real = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, #name);                                           \
        va_list more;                                                                                                  \
        va_start(more, flags);                                                                                         \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0;                                 \
        va_end(more);                                                                                                  \
        return opened(real, path, flags, mode);                                                                        \
    }

OPEN(open)
OPEN(open64)

static int of_file(int file) {
    return shared != NULL && counts && file >= 0 && file < FILES && watched[file];
}

ssize_t write(int file, const void *bytes, size_t length) {
    static ssize_t (*real)(int, const void *, size_t);
    if (real == NULL)
        real = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    uint64_t number = of_file(file) ? before(WRITE) : 0;
    ssize_t written = real(file, bytes, length);
    if (number != 0)
        after(number);
    return written;
}

static int synced(int (*real)(int), int file) {
    uint64_t number = of_file(file) ? before(SYNC) : 0;
    int code = real(file);
    if (number != 0)
        after(number);
    return code;
}

int fsync(int file) {
    static int (*real)(int);
    if (real == NULL)
        real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    return synced(real, file);
}

int fdatasync(int file) {
    static int (*real)(int);
    if (real == NULL)
        real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    return synced(real, file);
}

int close(int file) {
    static int (*real)(int);
    if (real == NULL)
        real = (int (*)(int))dlsym(RTLD_NEXT, "close");
    if (file >= 0 && file < FILES)
        watched[file] = 0;
    return real(file);
}

int rename(const char *old, const char *new) {
    static int (*real)(const char *, const char *);
    if (real == NULL)
        real = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
    uint64_t number = under(new) ? before(RENAME) : 0;
    int code = real(old, new);
    if (number != 0)
        after(number);
    return code;
}
