#include "base/parallel.h"

int parallel_workers(const attn_parallel *how)
{
    return how->threads > 0 ? how->threads : parallel_default_threads();
}

void parallel_run(const attn_parallel *how, int64_t count, parallel_task body, void *argument)
{
    int threads = parallel_workers(how);
    if (threads > count) threads = (int)count;
    if (how->run && threads > 1 && count > 1)
        how->run(how->user, threads, count, body, argument);
    else
        parallel_for(threads, count, body, argument);
}
