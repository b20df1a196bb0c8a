/* How many random calls a test makes. ATTN_GRID_CALLS in the environment asks for more than the few hundred that an
 * ordinary run has time for; ATTN_GRID_SEED and ATTN_GRID_PART say which:
 *
 *     seeds (ATTN_GRID_SEED or 1000000) + (ATTN_GRID_PART or 0) * ATTN_GRID_CALLS + 0 .. ATTN_GRID_CALLS - 1
 *
 * so that `make nightly ATTN_GRID_SEED=7000000` looks where no run has looked before, and ATTN_GRID_CALLS=1 with a seed
 * that a failure told runs that call alone. */
#ifndef TESTS_GRID_H
#define TESTS_GRID_H

#include <stdint.h>
#include <stdlib.h>

typedef struct grid_range {
    uint64_t first, last; /* seeds first .. last - 1 */
} grid_range;

static inline uint64_t grid_number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

/* The calls that an ordinary run makes, unless more are asked for. */
static inline grid_range grid_seeds(uint64_t first, uint64_t count)
{
    uint64_t calls = grid_number("ATTN_GRID_CALLS", 0);
    if (!calls) return (grid_range){first, first + count};
    first = grid_number("ATTN_GRID_SEED", 1000000) + calls * grid_number("ATTN_GRID_PART", 0);
    return (grid_range){first, first + calls};
}

#endif
