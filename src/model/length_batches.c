#define _GNU_SOURCE /* qsort_r */
#include "model/length_batches.h"

#include "base/status.h"

#include <stdlib.h>

static int longer_first(const void *a, const void *b, void *argument)
{
    const int64_t *lengths = argument;
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    if (lengths[x] != lengths[y]) return lengths[x] > lengths[y] ? -1 : 1;
    return x < y ? -1 : x > y;
}

attn_status length_batches_create(length_batches *out, const int64_t *lengths, int64_t items, int64_t most_items,
                                  int64_t most_cells, int workers)
{
    *out = (length_batches){0};
    out->start = calloc((size_t)items + 1, sizeof *out->start);
    out->order = calloc((size_t)items + 1, sizeof *out->order);
    if (!out->start || !out->order)
        return status_fail(ATTN_ERROR_MEMORY, "no memory for %lld sentences", (long long)items);
    for (int64_t i = 0; i < items; i++) out->order[i] = i;
    qsort_r(out->order, (size_t)items, sizeof *out->order, longer_first, (void *)lengths);
    int64_t share = (items + workers - 1) / workers;
    if (share < most_items) most_items = share;
    for (int64_t begin = 0, end; begin < items; begin = end) {
        int64_t longest = lengths[out->order[begin]];
        int64_t room = longest > 0 ? most_cells / longest : most_items;
        room = room < 1 ? 1 : room > most_items ? most_items : room;
        end = items - begin < room ? items : begin + room;
        out->start[++out->count] = end;
    }
    return ATTN_OK;
}

void length_batches_clear(length_batches *b)
{
    free(b->start);
    free(b->order);
    *b = (length_batches){0};
}
