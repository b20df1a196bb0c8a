/* Rotary positions: the caller's tables checked, and rows turned by them. */
#ifndef ATTENTION_ROTARY_H
#define ATTENTION_ROTARY_H

#include "attn/attn.h"

/* Copies rotary into *r and checks it for rows of D; NULL gives one that turns nothing. */
attn_status rotary_read(const attn_rotary *rotary, int64_t D, attn_rotary *r);

/* That the table has position p. */
attn_status rotary_check_position(const attn_rotary *r, int64_t b, int64_t p);

#define ROTARY_COLUMNS 64 /* even, so that no pair of neighbours is parted */

/* Columns first .. first + count - 1, at most ROTARY_COLUMNS, of row x turned to position p, or to 0 where that is
 * negative; into out, not where x is. first is even, and so is count unless the range ends at R or beyond. */
void rotary_columns(const attn_rotary *r, int64_t p, attn_dtype type, const void *x, int64_t first, int64_t count,
                    float *out);

/* All D columns of a row of fp32, bf16 or fp16 into y, of the same type, which may be x. Turned in fp32. */
void rotary_row(const attn_rotary *r, int64_t p, attn_dtype type, const void *x, void *y, int64_t D);

#endif
