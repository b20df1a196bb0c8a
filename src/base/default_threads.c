#define _GNU_SOURCE /* CPU_COUNT */
#include "base/parallel.h"

#include "base/cgroup_quota.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
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

/* OMP_NUM_THREADS as OpenMP's runtimes read it, the first number of a list; 0 where it says no number that a caller
 * might. */
static int asked_threads(void)
{
    const char *text = getenv("OMP_NUM_THREADS");
    if (!text) return 0;
    char *end;
    const long threads = strtol(text, &end, 10);
    end += strspn(end, " \t");
    if (*end && *end != ',') return 0;
    return threads >= 1 && threads <= PARALLEL_MAX_THREADS ? (int)threads : 0;
}

int parallel_default_threads(void)
{
    static atomic_int known;
    int threads = atomic_load_explicit(&known, memory_order_relaxed);
    if (threads) return threads;
    const int asked = asked_threads();
    int none = 0;
    atomic_compare_exchange_strong(&known, &none, asked ? asked : available_cpus());
    return atomic_load_explicit(&known, memory_order_relaxed);
}
