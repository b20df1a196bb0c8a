/* The parallel loop that every room uses: tasks 0 .. count - 1, each run once, on any worker, in any order; no task
 * waits for another. Results never depend on which worker ran a task. */
#ifndef BASE_PARALLEL_H
#define BASE_PARALLEL_H

#include "attn/attn.h"

typedef void (*parallel_task)(void *argument, int64_t task, int worker);

/* The default worker count: the affinity mask and the cgroup's CPU quota, at least 1. */
int parallel_default_threads(void);

/* Runs body(argument, task, worker) for every task, worker in 0 .. threads - 1, with OpenMP when built with it, in
 * order on the calling thread otherwise or when threads == 1. */
void parallel_for(int threads, int64_t count, parallel_task body, void *argument);

#endif
