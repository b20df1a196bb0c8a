/* The transpose of a matrix of bf16, by square tiles that are transposed in registers. For the row kernels' body, whose
 * vectors it takes. */
#ifndef TENSOR_TRANSPOSE_BF16_H
#define TENSOR_TRANSPOSE_BF16_H

#include "tensor/vector.h"

#define TILE (2 * LANES) /* a register holds as many elements */

/* Lanes of a, from 0 on, and of b, from LANES on; GCC has clang's name for it from 12 on. */
#if defined(__clang__)
#define SHUFFLED(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLED(a, b, ...) __builtin_shuffle(a, b, (vecu){__VA_ARGS__})
#endif

#if LANES == 16
#define LOWER_HALVES_IN_TURN 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define UPPER_HALVES_IN_TURN 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif LANES == 8
#define LOWER_HALVES_IN_TURN 0, 8, 1, 9, 2, 10, 3, 11
#define UPPER_HALVES_IN_TURN 4, 12, 5, 13, 6, 14, 7, 15
#else
#define LOWER_HALVES_IN_TURN 0, 4, 1, 5
#define UPPER_HALVES_IN_TURN 2, 6, 3, 7
#endif

/* A square of words: rows i and i + LANES / 2 shuffled into each other, as many times as LANES has bits, are columns.
 */
INLINE void transpose_words(vecu r[LANES])
{
    for (int pass = LANES; pass > 1; pass /= 2) {
        vecu next[LANES];
#pragma GCC unroll 16
        for (int i = 0; i < LANES / 2; i++) {
            next[2 * i] = SHUFFLED(r[i], r[i + LANES / 2], LOWER_HALVES_IN_TURN);
            next[2 * i + 1] = SHUFFLED(r[i], r[i + LANES / 2], UPPER_HALVES_IN_TURN);
        }
        memcpy(r, next, sizeof next);
    }
}

/* A whole tile. Rows 2i and 2i + 1 make words of two elements of one column: the even columns' are transposed first,
 * then the odd columns'. Little endian, as every CPU is that multiplies bf16. */
INLINE void transpose_tile(const uint16_t *x, int64_t x_stride, uint16_t *y, int64_t y_stride)
{
    for (int odd = 0; odd < 2; odd++) {
        vecu words[LANES];
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++) {
            vecu even_row, odd_row;
            memcpy(&even_row, x + 2 * i * x_stride, sizeof even_row);
            memcpy(&odd_row, x + (2 * i + 1) * x_stride, sizeof odd_row);
            words[i] = odd ? even_row >> 16 | (odd_row & 0xffff0000u) : (even_row & 0xffffu) | odd_row << 16;
        }
        transpose_words(words);
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++) memcpy(y + (2 * i + odd) * y_stride, &words[i], sizeof words[i]);
    }
}

/* What is left at the edges: fewer rows or columns than a tile has. */
static void transpose_part(int64_t rows, int64_t columns, const uint16_t *x, int64_t x_stride, uint16_t *y,
                           int64_t y_stride)
{
    for (int64_t c = 0; c < columns; c++)
        for (int64_t r = 0; r < rows; r++) y[c * y_stride + r] = x[r * x_stride + c];
}

static void transpose_bf16(int64_t rows, int64_t columns, const uint16_t *x, int64_t x_stride, uint16_t *y,
                           int64_t y_stride)
{
    for (int64_t r = 0; r < rows; r += TILE)
        for (int64_t c = 0; c < columns; c += TILE) {
            const int64_t height = rows - r < TILE ? rows - r : TILE, width = columns - c < TILE ? columns - c : TILE;
            const uint16_t *from = x + r * x_stride + c;
            uint16_t *to = y + c * y_stride + r;
            if (height == TILE && width == TILE)
                transpose_tile(from, x_stride, to, y_stride);
            else
                transpose_part(height, width, from, x_stride, to, y_stride);
        }
}

#endif
