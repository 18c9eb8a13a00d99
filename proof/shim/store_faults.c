/* Faults of a store's machine, which a test switches on and off: a wrong clock and a full disk.
 *
 * The library is preloaded into the server of a test. The test and the library share a small file.
 * Its two numbers are the milliseconds to add to the wall clock, and whether a write to a regular
 * file fails with ENOSPC. The monotonic clock stays right, as it does when a person sets the time.
 * No function here allocates memory, because the allocator of the server asks for the time. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct faults {
    volatile int64_t clock_ms;
    volatile int64_t disk_full;
};

static struct faults none;
static struct faults *faults = &none;

__attribute__((constructor)) static void open_faults(void) {
    const char *path = getenv("STORE_FAULTS_FILE");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *page = mmap(NULL, sizeof(struct faults), PROT_READ, MAP_SHARED, fd, 0);
    if (page != MAP_FAILED) faults = page;
    close(fd);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t ms = faults->clock_ms, ns = now->tv_nsec + ms % 1000 * 1000000;
        now->tv_sec += ms / 1000 + (ns >= 1000000000) - (ns < 0);
        now->tv_nsec = (ns + 1000000000) % 1000000000;
    }
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec exact;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &exact)) return -1;
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *seconds) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (seconds) *seconds = exact.tv_sec;
    return exact.tv_sec;
}

ssize_t write(int fd, const void *bytes, size_t len) {
    struct stat file;
    if (faults->disk_full && !fstat(fd, &file) && S_ISREG(file.st_mode)) {
        errno = ENOSPC;
        return -1;
    }
    return syscall(SYS_write, fd, bytes, len);
}
