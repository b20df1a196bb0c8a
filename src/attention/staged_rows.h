/* Rows of the caller's arrays as the kernels want them, in fp32: where they stand when they are that, else made so in a
 * worker's piece of the workspace, its stage; and results back from there. A staged row takes whole cache lines. */
#ifndef ATTENTION_STAGED_ROWS_H
#define ATTENTION_STAGED_ROWS_H

#include "attn/attn.h"
#include "kernels/kernels.h"

/* Row n at data + n * row. */
typedef struct staged_rows {
    const float *data;
    int64_t row;
} staged_rows;

/* Whether rows of this type need a stage. */
static inline bool staged_type(attn_dtype type)
{
    return type == ATTN_DTYPE_BF16 || type == ATTN_DTYPE_FP16;
}

/* Floats of a row of the workspace. */
static inline int64_t staged_row(int64_t columns)
{
    const int64_t line = ATTN_ALIGNMENT / sizeof(float);
    return (columns + line - 1) / line * line;
}

/* Rows first .. first + count - 1 of head h of sequence b; the stage has room for as many. */
staged_rows staged_rows_read(const kernel_table *table, attn_dtype type, const attn_view *view, int64_t b, int64_t h,
                             int64_t first, int64_t count, int64_t columns, float *stage);

/* The staged rows, of a type that needs a stage, rounded to where they belong. */
void staged_rows_write(const kernel_table *table, attn_dtype type, const float *stage, const attn_output *view,
                       int64_t b, int64_t h, int64_t first, int64_t count, int64_t columns);

/* The same of columns c .. c + count - 1 of one row, of any type: where they stand if it is fp32, else in the stage. */
const float *staged_columns_read(const kernel_table *table, attn_dtype type, const void *row, int64_t c, int64_t count,
                                 float *stage);

/* These columns, rounded to the row's type, which may be fp32. */
void staged_columns_write(const kernel_table *table, attn_dtype type, const float *columns, void *row, int64_t c,
                          int64_t count);

#endif
