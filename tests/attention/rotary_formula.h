/* Rows turned to their positions by the formula in fp64, and what the tests of attn_append and attn_rotate draw. */
#ifndef TESTS_ROTARY_FORMULA_H
#define TESTS_ROTARY_FORMULA_H

#include "attn/attn.h"

/* Of every table, whose base is 10,000. */
#define ROTARY_POSITIONS 300

int64_t drawn_whole(uint64_t seed, uint64_t n, int64_t low, int64_t high);

/* Numbers between -1 and 1; free'd by the caller. */
float *drawn_rows(uint64_t seed, uint64_t stream, int64_t count);

/* The numbers as they are once they were of a narrow type. */
uint16_t *narrowed_rows(attn_dtype type, float *x, int64_t count);

/* Element d of a row at position p, by the formula. */
double rotary_turned(attn_rotary_kind kind, int64_t R, int64_t p, const float *x, int64_t d);

void expect_turned(uint64_t seed, const char *what, double got, double want);

typedef struct rotary_table {
    attn_rotary rotary;
    float *cosines, *sines;
} rotary_table;

rotary_table rotary_table_create(attn_rotary_kind kind, int64_t R);
void rotary_table_destroy(rotary_table *t);

/* attn_rotate, which must succeed. */
void expect_rotated(const attn_desc *d, const int64_t *lengths, const attn_rotary *rotary, const attn_output *y);

#endif
