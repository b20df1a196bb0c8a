/* Tiles of bf16, as AMX multiplies them: eight registers of 16 rows of 64 bytes, beside simd.h. Tiles are named by
 * constants, 0 to 7; rows of a tile stand `stride` bytes apart in memory.
 *
 *   tiles_configure            before the others: all eight tiles whole
 *   tiles_release              after them: the thread has no tiles again, and nothing of theirs to be saved
 *   tile_zero(t)
 *   tile_load(t, p, stride)
 *   tile_store(t, p, stride)   of 16 floats a row
 *   tile_dot(c, a, b)          c, 16 x 16 floats, += a b: a has 16 rows of 32 bf16, b 16 rows of 16 pairs,
 *                              c[m][n] += sum over k of a[m][2k] b[k][n].first + a[m][2k + 1] b[k][n].second
 *
 * The instruction sums firsts and seconds apart, each by fused multiply-adds from 0 in the order of k, adds the two,
 * and adds that to c; it takes subnormal numbers, in and out, as 0 and rounds to nearest, ties to even, whatever MXCSR
 * says (Intel, "Software Developer's Manual", volume 2, LDTILECFG and TDPBF16PS). Where the instruction set is not AMX,
 * tiles are a plain C stand-in that does all of this, which tests alone use, and which traps where the CPU would: on
 * tiles that are not configured. */
#ifndef KERNELS_SIMD_TILES_H
#define KERNELS_SIMD_TILES_H

#include "kernels/simd.h"

#define TILE_ROWS 16
#define TILE_ROW_BYTES 64
#define TILE_BF16 32                                /* in a row */
#define ROW_WORDS (TILE_ROW_BYTES / 4)              /* of a pair, or a float */
#define TILE_WORDS (TILE_ROWS * TILE_ROW_BYTES / 4) /* likewise */

/* What LDTILECFG reads. */
typedef struct tile_layout {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16]; /* of each tile; palette 1 has eight */
    uint8_t rows[16];
} tile_layout;

_Static_assert(sizeof(tile_layout) == 64, "LDTILECFG reads 64 bytes");

#if defined(KERNEL_AMX)
static const tile_layout all_whole = {
    .palette = 1,
    .row_bytes = {TILE_ROW_BYTES, TILE_ROW_BYTES, TILE_ROW_BYTES, TILE_ROW_BYTES, TILE_ROW_BYTES, TILE_ROW_BYTES,
                  TILE_ROW_BYTES, TILE_ROW_BYTES},
    .rows = {TILE_ROWS, TILE_ROWS, TILE_ROWS, TILE_ROWS, TILE_ROWS, TILE_ROWS, TILE_ROWS, TILE_ROWS},
};

/* GCC's intrinsics do not say that they read memory: what was stored before must be there. */
#define TILES_FENCE() __asm__ volatile("" ::: "memory")

static inline void tiles_configure(void)
{
    TILES_FENCE();
    _tile_loadconfig(&all_whole);
}
static inline void tiles_release(void)
{
    _tile_release();
    TILES_FENCE();
}
/* They also make a register's name of the number as it is written: no parentheses. */
#define tile_zero(t) _tile_zero(t)
#define tile_load(t, p, stride)                                                                                        \
    do {                                                                                                               \
        TILES_FENCE();                                                                                                 \
        _tile_loadd(t, (p), (stride));                                                                                 \
    } while (0)
#define tile_store(t, p, stride)                                                                                       \
    do {                                                                                                               \
        _tile_stored(t, (p), (stride));                                                                                \
        TILES_FENCE();                                                                                                 \
    } while (0)
#define tile_dot(c, a, b) _tile_dpbf16ps(c, a, b)
#else
#include <math.h>
#include <string.h>

typedef union tile {
    float numbers[TILE_ROWS][TILE_ROW_BYTES / 4];
    uint16_t bf16[TILE_ROWS][TILE_BF16];
    char bytes[TILE_ROWS][TILE_ROW_BYTES];
} tile;

static _Thread_local struct tile_file {
    int configured;
    tile tiles[8];
} tile_file;

static inline tile *tile_of(int t)
{
    if (!tile_file.configured) __builtin_trap();
    return &tile_file.tiles[t];
}
static inline void tiles_configure(void)
{
    memset(&tile_file, 0, sizeof tile_file);
    tile_file.configured = 1;
}
static inline void tiles_release(void)
{
    tile_file.configured = 0;
}
static inline void tile_zero(int t)
{
    memset(tile_of(t), 0, sizeof(tile));
}
static inline void tile_load(int t, const void *p, int64_t stride)
{
    for (int m = 0; m < TILE_ROWS; m++) memcpy(tile_of(t)->bytes[m], (const char *)p + m * stride, TILE_ROW_BYTES);
}
static inline void tile_store(int t, void *p, int64_t stride)
{
    for (int m = 0; m < TILE_ROWS; m++) memcpy((char *)p + m * stride, tile_of(t)->bytes[m], TILE_ROW_BYTES);
}
/* A subnormal number as 0 of its sign. */
static inline float tile_flush(float x)
{
    return fabsf(x) < 0x1p-126f ? copysignf(0, x) : x;
}
static inline float tile_widen(uint16_t x)
{
    const uint32_t bits = (uint32_t)x << 16;
    float y;
    memcpy(&y, &bits, sizeof y);
    return tile_flush(y);
}
static inline void tile_dot(int c, int a, int b)
{
    tile *to = tile_of(c);
    const tile *left = tile_of(a), *right = tile_of(b);
    for (int m = 0; m < TILE_ROWS; m++) {
        float sum[TILE_BF16] = {0};
        for (int k = 0; k < TILE_ROWS; k++)
            for (int n = 0; n < TILE_BF16; n++)
                sum[n] =
                    tile_flush(fmaf(tile_widen(left->bf16[m][2 * k + n % 2]), tile_widen(right->bf16[k][n]), sum[n]));
        for (int n = 0; n < TILE_ROWS; n++)
            to->numbers[m][n] = tile_flush(tile_flush(to->numbers[m][n]) + tile_flush(sum[2 * n] + sum[2 * n + 1]));
    }
}
#endif

static inline int64_t whole_tiles(int64_t count)
{
    return (count + TILE_BF16 - 1) / TILE_BF16 * TILE_BF16;
}

/* A square of 32 x 32 sums in tiles 0 to 3, those of the first 16 rows before the others. */
INLINE void square_zero(void)
{
    tile_zero(0);
    tile_zero(1);
    tile_zero(2);
    tile_zero(3);
}
INLINE void square_load(const float *p, int64_t row)
{
    const int64_t stride = row * (int64_t)sizeof *p;
    tile_load(0, p, stride);
    tile_load(1, p + ROW_WORDS, stride);
    tile_load(2, p + TILE_ROWS * row, stride);
    tile_load(3, p + TILE_ROWS * row + ROW_WORDS, stride);
}
INLINE void square_store(float *p, int64_t row)
{
    const int64_t stride = row * (int64_t)sizeof *p;
    tile_store(0, p, stride);
    tile_store(1, p + ROW_WORDS, stride);
    tile_store(2, p + TILE_ROWS * row, stride);
    tile_store(3, p + TILE_ROWS * row + ROW_WORDS, stride);
}
/* Adds the products of two tiles of a left factor with two of a right one: each that is loaded is used twice. */
INLINE void square_dot(const void *upper, const void *lower, int64_t left_stride, const void *first, const void *second,
                       int64_t right_stride)
{
    tile_load(4, upper, left_stride);
    tile_load(6, first, right_stride);
    tile_dot(0, 4, 6);
    tile_load(7, second, right_stride);
    tile_dot(1, 4, 7);
    tile_load(5, lower, left_stride);
    tile_dot(2, 5, 6);
    tile_dot(3, 5, 7);
}

#endif
