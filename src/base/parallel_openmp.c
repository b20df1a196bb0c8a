#include "base/parallel.h"

#include <omp.h>
#include <pthread.h>

static bool forked;

static void note_fork(void)
{
    forked = true;
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, note_fork);
}

void parallel_for(int threads, int64_t count, parallel_task body, void *argument)
{
    static pthread_once_t watched = PTHREAD_ONCE_INIT;
    if (threads > 1 && count > 1) pthread_once(&watched, watch_forks);
    if (threads > 1 && count > 1 && !forked) {
        if (threads > count) threads = (int)count;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
        for (int64_t task = 0; task < count; task++) body(argument, task, omp_get_thread_num());
        return;
    }
    for (int64_t task = 0; task < count; task++) body(argument, task, 0);
}
