/* Counter-based random numbers: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
 * A number is a pure function of (key, counter): no state to lock, to order or to save, so the same bits come under any
 * tiling, thread count and batch. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stdint.h>

typedef struct random_block {
    uint32_t word[4];
} random_block;

static inline random_block random_philox(uint64_t key, uint64_t counter_low, uint64_t counter_high)
{
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    uint32_t c0 = (uint32_t)counter_low, c1 = (uint32_t)(counter_low >> 32);
    uint32_t c2 = (uint32_t)counter_high, c3 = (uint32_t)(counter_high >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return (random_block){{c0, c1, c2, c3}};
}

/* Uniform in [0, 1): 24 bits, exact in fp32. */
static inline float random_unit(uint32_t word)
{
    return (float)(word >> 8) * 0x1p-24f;
}

/* A new key from an old one and a purpose, so that streams do not overlap. */
static inline uint64_t random_derive(uint64_t key, uint64_t purpose)
{
    random_block r = random_philox(key, purpose, 0x61747461636b6579u);
    return (uint64_t)r.word[1] << 32 | r.word[0];
}

#endif
