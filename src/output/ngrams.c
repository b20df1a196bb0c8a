#define _GNU_SOURCE /* qsort_r */
#include "output/ngrams.h"

#include "base/status.h"

#include <stdlib.h>

static int compare(const uint32_t *a, const uint32_t *b, int order)
{
    for (int i = 0; i < order; i++) {
        if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
    }
    return 0;
}

static int compare_items(const void *a, const void *b, void *order)
{
    return compare(((const ngram *)a)->symbols, ((const ngram *)b)->symbols, *(const int *)order);
}

attn_status ngrams_count(ngrams *out, const uint32_t *symbols, int64_t length, int order)
{
    *out = (ngrams){.order = order};
    int64_t total = length - order + 1;
    if (total <= 0) return ATTN_OK;
    out->items = calloc((size_t)total, sizeof *out->items);
    if (!out->items) return status_fail(ATTN_ERROR_MEMORY, "no memory to count %lld n-grams", (long long)total);
    out->total = total;
    for (int64_t i = 0; i < total; i++) out->items[i] = (ngram){symbols + i, 1};
    qsort_r(out->items, (size_t)total, sizeof *out->items, compare_items, &order);
    for (int64_t i = 0; i < total; i++) {
        if (out->distinct && compare(out->items[out->distinct - 1].symbols, out->items[i].symbols, order) == 0)
            out->items[out->distinct - 1].count++;
        else
            out->items[out->distinct++] = out->items[i];
    }
    return ATTN_OK;
}

void ngrams_clear(ngrams *g)
{
    free(g->items);
    *g = (ngrams){0};
}

void ngrams_raise(const ngrams *a, const ngrams *b, int64_t *clip)
{
    for (int64_t i = 0, j = 0; i < a->distinct && j < b->distinct;) {
        int order = compare(a->items[i].symbols, b->items[j].symbols, a->order);
        if (order == 0 && clip[i] < b->items[j].count) clip[i] = b->items[j].count;
        if (order <= 0) i++;
        if (order >= 0) j++;
    }
}

int64_t ngrams_matches(const ngrams *a, const ngrams *b)
{
    int64_t matches = 0;
    for (int64_t i = 0, j = 0; i < a->distinct && j < b->distinct;) {
        int order = compare(a->items[i].symbols, b->items[j].symbols, a->order);
        if (order == 0) matches += a->items[i].count < b->items[j].count ? a->items[i].count : b->items[j].count;
        if (order <= 0) i++;
        if (order >= 0) j++;
    }
    return matches;
}
