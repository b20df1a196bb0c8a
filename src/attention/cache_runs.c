#include "attention/cache_runs.h"

#include <string.h>

/* Rows a step of bytes apart. */
typedef struct row_run {
    const char *at;
    int64_t step, count;
} row_run;

/* The rows from j on, `count` at most, as far as they lie evenly: to the end of their page, of those that are seen, or
 * of those that another stands in for. `size`: bytes of an element. */
static row_run run_from(const attn_cache *c, const attn_output *rows, int64_t size, int64_t b, int64_t kv_head,
                        int64_t j, int64_t count, key_range seen)
{
    int64_t stands = j, even = seen.last - j;
    if (j < seen.first)
        stands = seen.first, even = seen.first - j;
    else if (j >= seen.last)
        stands = seen.last - 1, even = count;
    else if (c->page_table && c->page_size - j % c->page_size < even)
        even = c->page_size - j % c->page_size;
    return (row_run){.at = cache_row(c, rows, size, b, kv_head, stands),
                     .step = stands == j ? rows->row * size : 0,
                     .count = even < count ? even : count};
}

void cache_find_rows(const attn_cache *c, const attn_output *rows, int64_t b, int64_t kv_head, int64_t first,
                     int64_t count, key_range seen, const void **out)
{
    for (int64_t n = 0; n < count && !rows->data; n++) out[n] = NULL; /* without elements */
    if (!rows->data) return;
    for (int64_t n = 0; n < count;) {
        const row_run run = run_from(c, rows, element_size(c->dtype), b, kv_head, first + n, count - n, seen);
        const char *at = run.at;
        for (int64_t i = 0; i < run.count; i++, at += run.step) out[n + i] = at;
        n += run.count;
    }
}

void cache_find_scales(const attn_cache *c, const attn_output *scales, int64_t b, int64_t kv_head, int64_t first,
                       int64_t count, key_range seen, float *out)
{
    for (int64_t n = 0; n < count;) {
        const row_run run = run_from(c, scales, sizeof *out, b, kv_head, first + n, count - n, seen);
        if (run.step == sizeof *out)
            memcpy(&out[n], run.at, (size_t)run.count * sizeof *out);
        else
            for (int64_t i = 0; i < run.count; i++) memcpy(&out[n + i], run.at + i * run.step, sizeof *out);
        n += run.count;
    }
}
