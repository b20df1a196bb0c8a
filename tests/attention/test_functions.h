/* The functions of scores and masks that tests hand to the operator: smooth, different for neighbouring pairs, heads
 * and positions, with tiles that they leave whole or drop. */
#ifndef TESTS_TEST_FUNCTIONS_H
#define TESTS_TEST_FUNCTIONS_H

#include "attn/attn.h"

#include <math.h>

/* What their user pointer must be. */
static char test_functions;

static inline double test_score(double s, int64_t h, int64_t p, int64_t j, double *slope)
{
    double phase = (double)((p + 3 * j + 5 * h) % 7); /* no power of 2: tiles begin at multiples of these */
    *slope = 1 + 0.25 * cos(s + phase);
    return s + 0.25 * sin(s + phase);
}

static inline bool test_mask_keeps(int64_t h, int64_t p, int64_t j)
{
    if ((j >> 5) % 3 == 0) return true;
    return (j >> 6) % 2 == 0 && ((p + 3 * j + h) & 3) != 0;
}

static inline void test_score_function(void *user, const attn_tile *t)
{
    for (int64_t m = 0; user == &test_functions && m < t->queries; m++)
        for (int64_t n = 0; n < t->keys; n++) {
            int64_t at = m * t->query_step + n * t->key_step;
            double slope;
            t->values[at] = (float)test_score(t->values[at], t->head, t->position + m, t->key + n, &slope);
            if (t->slopes) t->slopes[at] *= (float)slope;
        }
}

static inline attn_tile_kept test_mask_function(void *user, const attn_tile *t)
{
    bool all = user == &test_functions, none = !t->slopes;
    for (int64_t m = 0; m < t->queries; m++)
        for (int64_t n = 0; n < t->keys; n++) {
            bool keeps = test_mask_keeps(t->head, t->position + m, t->key + n);
            if (!keeps) t->values[m * t->query_step + n * t->key_step] = -INFINITY;
            all &= keeps, none &= !keeps;
        }
    return none ? ATTN_TILE_NONE : all ? ATTN_TILE_ALL : ATTN_TILE_SOME;
}

#endif
