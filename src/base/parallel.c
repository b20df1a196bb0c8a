#define _GNU_SOURCE /* CPU_COUNT */
#include "base/parallel.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>
#ifdef _OPENMP
#include <omp.h>
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

static int available_cpus(void)
{
    cpu_set_t set;
    int cpus = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
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

#ifdef _OPENMP
static bool forked;

static void note_fork(void)
{
    forked = true;
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, note_fork);
}
#endif

void parallel_for(int threads, int64_t count, parallel_task body, void *argument)
{
#ifdef _OPENMP
    static pthread_once_t watched = PTHREAD_ONCE_INIT;
    if (threads > 1 && count > 1) pthread_once(&watched, watch_forks);
    if (threads > 1 && count > 1 && !forked) {
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

int parallel_workers(const attn_parallel *how)
{
    return how->threads > 0 ? how->threads : parallel_default_threads();
}

void parallel_run(const attn_parallel *how, int64_t count, parallel_task body, void *argument)
{
    int threads = parallel_workers(how);
    if (how->run && threads > 1 && count > 1)
        how->run(how->user, threads, count, body, argument);
    else
        parallel_for(threads, count, body, argument);
}
