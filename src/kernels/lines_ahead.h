/* Rows that are read soon, asked for a line at a time while a kernel multiplies, so that they come from memory or a
 * farther cache meanwhile: a CPU's own prefetcher follows a pattern, and rows that begin another array, or lie a page
 * apart, are none. Asking changes no result, and an address that is nobody's does no harm. */
#ifndef KERNELS_LINES_AHEAD_H
#define KERNELS_LINES_AHEAD_H

#include <stdint.h>

#define AHEAD_LINE 64
#define AHEAD_MOST 8 /* arrays */
#define AHEAD_SUMS 6 /* of a product for a line that is asked for beside them: bench_attention */

typedef struct rows_ahead {
    uintptr_t row; /* the next one's address */
    int64_t stride, bytes, rows;
} rows_ahead;

typedef struct lines_ahead {
    uintptr_t line, end; /* the next line, 0 when none is left, and the end of its row */
    int count;
    rows_ahead arrays[AHEAD_MOST]; /* the last one is asked for first */
} lines_ahead;

/* To the next row of any array that has one. */
static inline void lines_ahead_turn(lines_ahead *ahead)
{
    ahead->line = 0;
    while (ahead->count && !ahead->arrays[ahead->count - 1].rows) ahead->count--;
    if (!ahead->count) return;
    rows_ahead *array = &ahead->arrays[ahead->count - 1];
    ahead->line = array->row & ~(uintptr_t)(AHEAD_LINE - 1);
    ahead->end = array->row + (uintptr_t)array->bytes;
    array->row += (uintptr_t)array->stride;
    array->rows--;
}

/* Adds rows of so many bytes, `stride` bytes apart, before those that were added already; beyond AHEAD_MOST arrays they
 * are left out. lines_ahead_turn begins, once all are added. */
static inline void lines_ahead_add(lines_ahead *ahead, const void *row, int64_t stride, int64_t bytes, int64_t rows)
{
    if (ahead->count == AHEAD_MOST || bytes <= 0 || rows <= 0) return;
    if (stride == bytes) bytes *= rows, rows = 1;
    ahead->arrays[ahead->count++] = (rows_ahead){(uintptr_t)row, stride, bytes, rows};
}

/* Asks for the next line. */
static inline __attribute__((always_inline)) void lines_ahead_ask(lines_ahead *ahead)
{
    if (!ahead->line) return;
    __builtin_prefetch((const void *)ahead->line);
    ahead->line += AHEAD_LINE;
    if (ahead->line >= ahead->end) lines_ahead_turn(ahead);
}

/* Asks for as many lines as go with a tile of so many sums of a product; NULL: for none. */
static inline void lines_ahead_beside(lines_ahead *ahead, int sums)
{
    for (int n = sums / AHEAD_SUMS; ahead && ahead->line && n > 0; n--) lines_ahead_ask(ahead);
}

#endif
