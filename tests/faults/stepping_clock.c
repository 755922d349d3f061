/* A wall clock that can be moved while programs run: LD_PRELOAD it, and write nanoseconds into the file that
 * STEPPING_CLOCK names (eight bytes, which are mapped). The steady clocks stay as they are.
 *
 * libfaketime does more, and Python 3.11's sleep fails under it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
static const volatile int64_t none = 0;
static const volatile int64_t *ahead = &none;
static int (*cond_timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
static int (*threads_timedwait)(cnd_t *, mtx_t *, const struct timespec *);

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("STEPPING_CLOCK");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0) {
        void *place = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
        if (place != MAP_FAILED) ahead = place;
        close(file);
    }
    cond_timedwait = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    threads_timedwait = dlsym(RTLD_NEXT, "cnd_timedwait");
}

static struct timespec moved(struct timespec t, int64_t by) {
    int64_t ns = t.tv_sec * SECOND + t.tv_nsec + by;
    return (struct timespec){ns / SECOND, ns % SECOND};
}

int clock_gettime(clockid_t which, struct timespec *t) {
    int code = (int)syscall(SYS_clock_gettime, which, t);
    if (!code && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) *t = moved(*t, *ahead);
    return code;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    *t = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *t) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (t) *t = now.tv_sec;
    return now.tv_sec;
}

int timespec_get(struct timespec *t, int base) { return clock_gettime(CLOCK_REALTIME, t) ? 0 : base; }

/* A deadline by the moved clock is the kernel's by its own; one of a steady clock, which is small, stays. */
int pthread_cond_timedwait(pthread_cond_t *restrict c, pthread_mutex_t *restrict m, const struct timespec *restrict t) {
    struct timespec due = t->tv_sec > 1000000000LL ? moved(*t, -*ahead) : *t;
    return cond_timedwait(c, m, &due);
}

/* As librdkafka waits. */
int cnd_timedwait(cnd_t *restrict c, mtx_t *restrict m, const struct timespec *restrict t) {
    struct timespec due = t->tv_sec > 1000000000LL ? moved(*t, -*ahead) : *t;
    return threads_timedwait(c, m, &due);
}
