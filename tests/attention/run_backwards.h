/* A caller's parallel loop that runs the last task first, all as one worker; it counts its runs in *user, an int, if
 * there is one. */
#ifndef TESTS_RUN_BACKWARDS_H
#define TESTS_RUN_BACKWARDS_H

#include "attn/attn.h"

static inline void run_backwards(void *user, int threads, int64_t count, attn_task task, void *argument)
{
    (void)threads;
    if (user) ++*(int *)user;
    while (count-- > 0) task(argument, count, 0);
}

#endif
