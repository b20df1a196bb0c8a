#define _GNU_SOURCE /* CPU_COUNT */
#include "base/parallel.h"

#include <sched.h>
#include <stdio.h>
#ifdef _OPENMP
#include <omp.h>
#endif

/* The cgroup's CPU quota in whole CPUs, rounded up; 0 when there is none. cgroup v2: cpu.max holds "QUOTA PERIOD" or "max PERIOD". */
static int quota_cpus(void)
{
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "r");
    if (!f) return 0;
    long quota = 0, period = 0;
    int fields = fscanf(f, "%ld %ld", &quota, &period);
    fclose(f);
    if (fields != 2 || quota <= 0 || period <= 0) return 0;
    return (int)((quota + period - 1) / period);
}

int parallel_default_threads(void)
{
    cpu_set_t set;
    int cpus = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    int quota = quota_cpus();
    if (quota > 0 && quota < cpus) cpus = quota;
    return cpus < 1 ? 1 : cpus;
}

void parallel_for(int threads, int64_t count, parallel_task body, void *argument)
{
#ifdef _OPENMP
    if (threads > 1 && count > 1) {
        if (threads > count) threads = (int)count;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
        for (int64_t task = 0; task < count; task++) body(argument, task, omp_get_thread_num());
        return;
    }
#else
    (void)threads;
#endif
    for (int64_t task = 0; task < count; task++) body(argument, task, 0);
}
