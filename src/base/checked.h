/* Sizes from outside, multiplied, added and rounded up without overflow. Each returns false when the result does not
 * fit. */
#ifndef BASE_CHECKED_H
#define BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool checked_mul(size_t a, size_t b, size_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

static inline bool checked_add(size_t a, size_t b, size_t *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}

/* The least multiple of `unit`, a power of 2, that is at least a. */
static inline bool checked_whole(size_t a, size_t unit, size_t *whole)
{
    if (!checked_add(a, unit - 1, whole)) return false;
    *whole &= ~(unit - 1);
    return true;
}

static inline bool checked_mul_i64(int64_t a, int64_t b, int64_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

static inline bool checked_add_i64(int64_t a, int64_t b, int64_t *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}

#endif
