/* The arrays that `attn run` writes: all of them or none. */
#ifndef CLI_RUN_OUTPUTS_H
#define CLI_RUN_OUTPUTS_H

#include <stdint.h>

typedef struct run_output {
    const char *path; /* NULL: not asked for */
    int rank;
    const int64_t *shape;
    const float *values;
} run_output;

/* Each file is written beside its target, and all take their names when the last is whole, so that a disk that fills
 * leaves every target as it was. Devices and pipes, which take no other name, are written to before that. Returns an
 * exit status. */
int run_outputs_write(const run_output *outputs, int count);

#endif
