/* The parallel loop where OpenMP is absent, or opaque: its runtime hides the order of things from the thread sanitizer.
 * Threads live as long as the loop, so there is no pool to lock, to fork or to end. */
#include "base/parallel.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct loop {
    parallel_task body;
    void *argument;
    int64_t count;
    _Atomic int64_t next;
} loop;

typedef struct worker {
    loop *loop;
    int number;
    pthread_t thread;
} worker;

static void *work(void *argument)
{
    worker *w = argument;
    loop *l = w->loop;
    for (int64_t task; (task = atomic_fetch_add(&l->next, 1)) < l->count;) l->body(l->argument, task, w->number);
    return NULL;
}

/* Where the system gives fewer threads than asked for, those that it gave do the work. */
void parallel_for(int threads, int64_t count, parallel_task body, void *argument)
{
    loop l = {.body = body, .argument = argument, .count = count};
    worker helpers[PARALLEL_MAX_THREADS - 1], self = {.loop = &l};
    int wanted = threads > count ? (int)count - 1 : threads - 1, started = 0;
    if (wanted > PARALLEL_MAX_THREADS - 1) wanted = PARALLEL_MAX_THREADS - 1;
    while (started < wanted) {
        helpers[started] = (worker){.loop = &l, .number = started + 1};
        if (pthread_create(&helpers[started].thread, NULL, work, &helpers[started]) != 0) break;
        started++;
    }
    work(&self);
    for (int i = 0; i < started; i++) pthread_join(helpers[i].thread, NULL);
}
