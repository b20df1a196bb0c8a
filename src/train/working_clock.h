/* Seconds of work: pauses (a stopped process, a sleeping machine, the time between two runs) do not count. */
#ifndef TRAIN_WORKING_CLOCK_H
#define TRAIN_WORKING_CLOCK_H

typedef struct working_clock {
    double seconds; /* counted so far */
    double last;    /* reading of the system's clock, 0: not started */
    double usual;   /* seconds that a tick takes, on average */
} working_clock;

/* Starts, or starts again without counting what went by. */
void working_clock_start(working_clock *c);

/* Counts the time since the last start or tick and returns it: but no more than four times what a tick usually takes
 * (and no less than one second of it), for then the process did not run. Tick once a step. */
double working_clock_tick(working_clock *c);

/* Counts other work since the last start or tick, at most `most` seconds of it. */
void working_clock_count(working_clock *c, double most);

#endif
