/* One random tile of backward, of odd sizes and strides, and what kernels make of it: guards around every row that is
 * written. */
#ifndef TESTS_BACKWARD_INPUTS_H
#define TESTS_BACKWARD_INPUTS_H

#include "kernels/kernels.h"

#define GAP 7 /* floats between rows, guarded */

enum { Q, GRAD_O, O, LSE, K, V, SCORE_VECTOR, INPUTS };
enum { GRAD_Q, GRAD_K, GRAD_V, GRAD_SCORE_VECTOR, OUTPUTS };

typedef struct inputs {
    uint64_t seed;
    float *data[INPUTS];
    uint16_t *bf16[INPUTS]; /* the same, rounded; nothing behind the last */
    float *modification, *dropout;
    backward_tile tile; /* sizes, options and inputs; no scratch, no outputs */
} inputs;

typedef struct results {
    float *scratch, *bent, *out[OUTPUTS];
    backward_tile tile;
} results;

/* To be freed. Room for so many floats, aligned as kernels want it; rows columns + GAP apart; the same in bf16, whose
 * array ends where the last one does; rows of 0.5 with guards between and around them. */
float *whole_lines(size_t count);
float *random_rows(uint64_t seed, int64_t rows, int64_t columns);
uint16_t *rounded_rows(const float *data, int64_t rows, int64_t columns);
float *guarded_rows(int64_t rows, int64_t columns);

inputs make_inputs(uint64_t seed);
void destroy_inputs(inputs *x);

/* A tile with room for what all kernels leave, guarded rows of gradients, and nothing computed. */
results prepare_results(const inputs *x);
void destroy_results(results *y);

/* Fail the test, telling the seed, unless rows, or sums of distances, are the twin's to rounding, and what is beside
 * them is as it was. */
void check_rows(const inputs *x, const char *name, const float *got, const float *want, int64_t rows, int64_t columns);
void check_distances(const inputs *x, const float *got, const float *want);

#endif
