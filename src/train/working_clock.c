#include "train/working_clock.h"

#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void working_clock_start(working_clock *c)
{
    c->last = now();
}

double working_clock_tick(working_clock *c)
{
    double t = now(), spent = t - c->last;
    c->last = t;
    double most = 4 * c->usual > 1 ? 4 * c->usual : 1;
    if (c->usual > 0 && spent > most) spent = most;
    c->usual = c->usual > 0 ? 0.99 * c->usual + 0.01 * spent : spent;
    c->seconds += spent;
    return spent;
}

void working_clock_count(working_clock *c, double most)
{
    double t = now(), spent = t - c->last;
    c->last = t;
    c->seconds += spent > most ? most : spent;
}
