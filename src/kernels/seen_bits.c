/* A boolean mask as bits, a word of queries for each key: as floats to add, a tile of it would fill the first cache.
 * Rows are read 64 keys at a time, and a square of 64 x 64 bits is turned. */
#include "kernels/kernels.h"
#include "kernels/simd.h"

#include <string.h>

#define WORD 64 /* bits */

extern seen_kernel SIMD_NAMED(seen);

/* In each square of 2 * size bits along the diagonal the two quarters off it change places. */
INLINE void swap_quarters(const int size, uint64_t words[WORD], int64_t extent)
{
    const uint64_t low = UINT64_MAX / (((uint64_t)1 << size) + 1); /* of each 2 * size bits the lower half */
    for (int64_t r = 0; r < extent; r += 2 * size)
        for (int64_t n = r; n < r + size; n++) {
            const uint64_t change = (words[n] >> size ^ words[n + size]) & low;
            words[n] ^= change << size;
            words[n + size] ^= change;
        }
}

/* Bit c of words[r] and bit r of words[c] change places; none is set from `extent` on. */
static void transpose_bits(uint64_t words[WORD], int64_t extent)
{
    if (extent > 32) swap_quarters(32, words, extent);
    if (extent > 16) swap_quarters(16, words, extent);
    swap_quarters(8, words, extent);
    swap_quarters(4, words, extent);
    swap_quarters(2, words, extent);
    swap_quarters(1, words, extent);
}

/* Which of `count` keys from n on query m sees, at most a word of them. */
static uint64_t read_keys(const seen_tile *tile, int64_t m, int64_t n, int64_t count)
{
    const uint8_t *mask = tile->mask + m * tile->mask_row + n * tile->mask_column;
    if (tile->mask_column == 1) return bits_of_bytes(mask, (int)count);
    uint8_t gathered[WORD];
    for (int64_t c = 0; c < count; c++) gathered[c] = mask[c * tile->mask_column];
    return bits_of_bytes(gathered, (int)count);
}

void SIMD_NAMED(seen)(const seen_tile *tile)
{
    for (int64_t n = 0; n < tile->keys; n += WORD) {
        const int64_t count = tile->keys - n < WORD ? tile->keys - n : WORD;
        uint64_t words[WORD] = {0};
        for (int64_t m = 0; m < tile->queries; m++) words[m] = read_keys(tile, m, n, count);
        transpose_bits(words, count > tile->queries ? count : tile->queries);
        memcpy(tile->seen + n, words, (size_t)count * sizeof *words);
    }
}
