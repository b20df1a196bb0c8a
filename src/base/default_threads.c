#define _GNU_SOURCE /* CPU_COUNT */
#include "base/parallel.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#endif

/* The cgroup's CPU quota in whole CPUs, rounded up; 0 when there is none. cgroup v2: cpu.max holds "QUOTA PERIOD" or
 * "max PERIOD". Read without stdio, which would allocate. */
static int quota_cpus(void)
{
    int file = open("/sys/fs/cgroup/cpu.max", O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    char text[64];
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    if (length <= 0) return 0;
    text[length] = 0;
    long quota = 0, period = 0;
    if (sscanf(text, "%ld %ld", &quota, &period) != 2 || quota <= 0 || period <= 0) return 0;
    return (int)((quota + period - 1) / period);
}

static int affinity_cpus(void)
{
#ifdef __linux__
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
#else
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
#endif
}

static int available_cpus(void)
{
    int cpus = affinity_cpus();
    int quota = quota_cpus();
    if (quota > 0 && quota < cpus) cpus = quota;
    if (cpus > PARALLEL_MAX_THREADS) cpus = PARALLEL_MAX_THREADS;
    return cpus < 1 ? 1 : cpus;
}

int parallel_default_threads(void)
{
    static atomic_int known;
    int threads = atomic_load_explicit(&known, memory_order_relaxed);
    if (threads) return threads;
    int none = 0;
    atomic_compare_exchange_strong(&known, &none, available_cpus());
    return atomic_load_explicit(&known, memory_order_relaxed);
}
