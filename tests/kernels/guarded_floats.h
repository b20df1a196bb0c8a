/* Floats that nobody may have written, for what a kernel must leave as it is. */
#ifndef TESTS_GUARDED_FLOATS_H
#define TESTS_GUARDED_FLOATS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define GUARD_WORD 0x7fc0deadu /* a NaN that no operation makes */

/* To be freed; aligned as kernels want it. */
static inline float *guards(int64_t count)
{
    float *x = aligned_alloc(64, ((size_t)count * sizeof *x + 127) / 64 * 64);
    const uint32_t word = GUARD_WORD;
    for (int64_t n = 0; n < count; n++) memcpy(&x[n], &word, sizeof word);
    return x;
}

static inline bool is_guard(const float *x)
{
    const uint32_t word = GUARD_WORD;
    return !memcmp(x, &word, sizeof word);
}

#endif
