#define _GNU_SOURCE /* CPU_COUNT */
#include "base/parallel.h"

#include "base/cgroup_quota.h"

#include <stdatomic.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#endif

static int affinity_cpus(void)
{
#ifdef __linux__
    cpu_set_t set; /* of 1024 CPUs: on a larger machine the call fails */
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

static int available_cpus(void)
{
    int cpus = affinity_cpus();
    int quota = cgroup_quota_cpus("/proc/self/cgroup", "/sys/fs/cgroup");
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
