/* The parallel loop that every room uses: tasks 0 .. count - 1, each run once, on any worker, in any order; no task
 * waits for another. Results never depend on which worker ran a task. */
#ifndef BASE_PARALLEL_H
#define BASE_PARALLEL_H

#include "attn/attn.h"

#define PARALLEL_MAX_THREADS 1024

typedef attn_task parallel_task;

/* The default worker count: OMP_NUM_THREADS where it is a number that a caller might ask for, else the affinity mask
 * and the cgroup's CPU quota (cgroup_quota.h), at least 1. Asked once, so that a workspace's size does not change under
 * its caller. */
int parallel_default_threads(void);

/* Runs body(argument, task, worker) for every task, worker in 0 .. threads - 1: on OpenMP when built with it, on
 * threads of its own otherwise; in order on the calling thread when threads <= 1, or in a child that was forked after
 * the first loop on OpenMP, whose threads do not survive a fork. */
void parallel_for(int threads, int64_t count, parallel_task body, void *argument);

/* The worker count that a caller's descriptor asks for: at least 1. */
int parallel_workers(const attn_parallel *how);

/* The same loop, run as a caller's descriptor says; worker is below count too. */
void parallel_run(const attn_parallel *how, int64_t count, parallel_task body, void *argument);

#endif
