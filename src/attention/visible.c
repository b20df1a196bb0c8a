#include "attention/visible.h"

#include <math.h>

/* a + b held within int64_t: offsets and windows come from the caller and may be anything. */
static int64_t add(int64_t a, int64_t b)
{
    int64_t sum;
    if (!__builtin_add_overflow(a, b, &sum)) return sum;
    return a < 0 ? INT64_MIN : INT64_MAX;
}

static int64_t clamp(int64_t x, int64_t low, int64_t high)
{
    return x < low ? low : x > high ? high : x;
}

static int64_t position(const attn_desc *d, int64_t b, int64_t i)
{
    return add(d->query_offsets ? d->query_offsets[b] : d->query_offset, i);
}

static int64_t key_length(const attn_desc *d, int64_t b)
{
    return d->key_lengths ? d->key_lengths[b] : d->S;
}

/* How far right of its position a query sees: INT64_MAX when unbounded. */
static int64_t reach_right(const attn_desc *d)
{
    int64_t right = d->window_right < 0 ? INT64_MAX : d->window_right;
    return d->causal ? 0 : right;
}

key_range visible_keys(const attn_desc *d, int64_t b, int64_t i)
{
    int64_t p = position(d, b, i), length = key_length(d, b), right = reach_right(d);
    key_range range = {0, length};
    if (d->window_left >= 0) range.first = clamp(add(p, -d->window_left), 0, length);
    if (right != INT64_MAX) range.last = clamp(add(add(p, right), 1), 0, length);
    return range;
}

key_range visible_keys_of(const attn_desc *d, int64_t b, int64_t i, int64_t ni)
{
    key_range first = visible_keys(d, b, i), last = visible_keys(d, b, i + ni - 1);
    return (key_range){first.first, last.last};
}

query_range visible_queries_of(const attn_desc *d, int64_t b, int64_t j, int64_t nj)
{
    int64_t length = key_length(d, b), offset = position(d, b, 0), right = reach_right(d);
    query_range range = {0, d->T};
    if (j >= length) return (query_range){0, 0};
    int64_t last_key = (j + nj < length ? j + nj : length) - 1;
    /* key j is seen by p >= j - right and p <= j + left */
    if (right != INT64_MAX) range.first = clamp(add(add(j, -right), -offset), 0, d->T);
    if (d->window_left >= 0) range.last = clamp(add(add(add(last_key, d->window_left), 1), -offset), 0, d->T);
    return range;
}

static const char *mask_row(const attn_mask *mask, int64_t size, int64_t b, int64_t h, int64_t i, int64_t j)
{
    return (const char *)mask->data + size * (b * mask->batch + h * mask->head + i * mask->row + j * mask->column);
}

/* One query's modifications; whether any of its keys is left. */
static bool fill_row(const attn_desc *d, int64_t b, int64_t h, int64_t i, int64_t j, int64_t nj, float *out,
                     int64_t step)
{
    key_range keys = visible_keys(d, b, i);
    int64_t first = clamp(keys.first - j, 0, nj), last = clamp(keys.last - j, first, nj);
    for (int64_t n = 0; n < first; n++) out[n * step] = -INFINITY;
    for (int64_t n = last; n < nj; n++) out[n * step] = -INFINITY;
    const unsigned char *mask = d->mask.data ? (const void *)mask_row(&d->mask, 1, b, h, i, j) : NULL;
    const float *bias = d->bias.data ? (const void *)mask_row(&d->bias, sizeof(float), b, h, i, j) : NULL;
    bool any = false;
    for (int64_t n = first; n < last; n++) {
        float x = bias ? bias[n * d->bias.column] : 0;
        if (mask && !mask[n * d->mask.column]) x = -INFINITY;
        any |= x != -INFINITY;
        out[n * step] = x;
    }
    return any;
}

visible_kind visible_tile(const attn_desc *d, int64_t b, int64_t h, int64_t i, int64_t ni, int64_t j, int64_t nj,
                          float *modification, int64_t query_step, int64_t key_step)
{
    key_range first = visible_keys(d, b, i), last = visible_keys(d, b, i + ni - 1);
    if (first.first >= j + nj || last.last <= j) return VISIBLE_NONE;
    bool cut = last.first > j || first.last < j + nj;
    if (!cut && !d->mask.data && !d->bias.data) return VISIBLE_ALL;
    bool any = false;
    for (int64_t m = 0; m < ni; m++) any |= fill_row(d, b, h, i + m, j, nj, modification + m * query_step, key_step);
    return any ? VISIBLE_SOME : VISIBLE_NONE;
}
