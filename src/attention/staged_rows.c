#include "attention/staged_rows.h"

#include "attention/elements.h"

#include <string.h>

static uint16_t *half_at(void *data, int64_t offset)
{
    return data ? (uint16_t *)data + offset : NULL;
}

staged_rows staged_rows_read(const kernel_table *table, attn_dtype type, const attn_view *view, int64_t b, int64_t h,
                             int64_t first, int64_t count, int64_t columns, float *stage)
{
    if (!staged_type(type)) return (staged_rows){view_at(view, b, h, first), view->row};
    const int64_t row = staged_row(columns);
    void *data = (void *)(uintptr_t)view->data; /* read alone */
    table->widen_rows(&(element_rows){.type = type,
                                      .count = columns ? count : 0,
                                      .columns = columns,
                                      .elements = half_at(data, b * view->batch + h * view->head + first * view->row),
                                      .elements_row = view->row,
                                      .floats = stage,
                                      .floats_row = row});
    return (staged_rows){stage, row};
}

void staged_rows_write(const kernel_table *table, attn_dtype type, const float *stage, const attn_output *view,
                       int64_t b, int64_t h, int64_t first, int64_t count, int64_t columns)
{
    table->narrow_rows(
        &(element_rows){.type = type,
                        .count = columns ? count : 0,
                        .columns = columns,
                        .elements = half_at(view->data, b * view->batch + h * view->head + first * view->row),
                        .elements_row = view->row,
                        .floats = (float *)(uintptr_t)stage, /* read alone */
                        .floats_row = staged_row(columns)});
}

const float *staged_columns_read(const kernel_table *table, attn_dtype type, const void *row, int64_t c, int64_t count,
                                 float *stage)
{
    const attn_view view = {(const char *)row + c * element_size(type), 0, 0, 0};
    return staged_rows_read(table, type, &view, 0, 0, 0, 1, count, stage).data;
}

void staged_columns_write(const kernel_table *table, attn_dtype type, const float *columns, void *row, int64_t c,
                          int64_t count)
{
    const attn_output view = {(char *)row + c * element_size(type), 0, 0, 0};
    if (staged_type(type))
        staged_rows_write(table, type, columns, &view, 0, 0, 0, 1, count);
    else
        memcpy(view.data, columns, (size_t)count * sizeof *columns);
}
