/* An order drawn by a key. */
#ifndef INPUT_SHUFFLE_H
#define INPUT_SHUFFLE_H

#include "base/random.h"

#include <stdint.h>

/* Fisher and Yates, on a stream of the key's random numbers. The bias of a 64-bit remainder is below 2^-32 for any
 * count that memory can hold. */
static inline void shuffle(int64_t *order, int64_t count, uint64_t key, uint64_t stream)
{
    for (int64_t i = count - 1; i > 0; i--) {
        const random_block r = random_philox(key, (uint64_t)i, stream);
        const int64_t j = (int64_t)(((uint64_t)r.word[0] << 32 | r.word[1]) % (uint64_t)(i + 1));
        const int64_t swapped = order[i];
        order[i] = order[j];
        order[j] = swapped;
    }
}

#endif
