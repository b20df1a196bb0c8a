#include "attention/visible.h"

#include "attention/block_mask.h"
#include "kernels/kernels.h"

#include <math.h>

/* a + b held within int64_t: offsets and windows come from the caller and may be anything. */
static int64_t add(int64_t a, int64_t b)
{
    int64_t sum;
    if (!__builtin_add_overflow(a, b, &sum)) return sum;
    return a < 0 ? INT64_MIN : INT64_MAX;
}

/* a - b likewise. */
static int64_t subtract(int64_t a, int64_t b)
{
    int64_t difference;
    if (!__builtin_sub_overflow(a, b, &difference)) return difference;
    return b < 0 ? INT64_MAX : INT64_MIN;
}

static int64_t clamp(int64_t x, int64_t low, int64_t high)
{
    return x < low ? low : x > high ? high : x;
}

static int64_t offset_of(const attn_desc *d, int64_t b)
{
    return d->query_offsets ? d->query_offsets[b] : d->query_offset;
}

static int64_t position(const attn_desc *d, int64_t b, int64_t i)
{
    return add(offset_of(d, b), i);
}

static int64_t key_length(const attn_desc *d, int64_t b)
{
    return d->key_lengths ? d->key_lengths[b] : d->S;
}

/* How far right of its position a query sees; -1 when unbounded. */
static int64_t reach_right(const attn_desc *d)
{
    return d->causal ? 0 : d->window_right;
}

key_range visible_keys(const attn_desc *d, int64_t b, int64_t i)
{
    int64_t offset = offset_of(d, b), length = key_length(d, b), right = reach_right(d);
    key_range range = {0, length};
    /* What is held is beyond any query and key, and stays so whatever is added to it: offset and window come first. */
    if (d->window_left >= 0) range.first = clamp(add(subtract(offset, d->window_left), i), 0, length);
    if (right >= 0) range.last = clamp(add(add(offset, right), i + 1), 0, length);
    return range;
}

key_range visible_keys_of(const attn_desc *d, int64_t b, int64_t i, int64_t ni)
{
    key_range first = visible_keys(d, b, i), last = visible_keys(d, b, i + ni - 1);
    return (key_range){first.first, last.last};
}

query_range visible_queries_of(const attn_desc *d, int64_t b, int64_t j, int64_t nj)
{
    int64_t length = key_length(d, b), offset = offset_of(d, b), right = reach_right(d);
    query_range range = {0, d->T};
    if (j >= length) return (query_range){0, 0};
    int64_t last_key = (j + nj < length ? j + nj : length) - 1;
    /* key j is seen by i + offset >= j - right and i + offset <= j + left */
    if (right >= 0) range.first = clamp(subtract(j, add(offset, right)), 0, d->T);
    if (d->window_left >= 0) range.last = clamp(add(subtract(d->window_left, offset), last_key + 1), 0, d->T);
    return range;
}

static int64_t mask_offset(const attn_mask *mask, int64_t b, int64_t h, int64_t i, int64_t j)
{
    return b * mask->batch + h * mask->head + i * mask->row + j * mask->column;
}

static void fill(float *out, int64_t count, int64_t step, float value)
{
    if (step == 1)
        for (int64_t n = 0; n < count; n++) out[n] = value;
    else
        for (int64_t n = 0; n < count; n++) out[n * step] = value;
}

/* Farther than any pair of a tile with queries in lanes is from another. */
#define BEYOND_TILE ((int64_t)1 << 20)

/* The queries, counted from i, that causal mask and window let see key j; of key j + n they are n farther. */
static query_range band_of(const attn_desc *d, int64_t b, int64_t i, int64_t j)
{
    const int64_t offset = offset_of(d, b), right = reach_right(d), far = BEYOND_TILE;
    query_range band = {-far, far};
    /* key j is seen by i + offset >= j - right and i + offset <= j + left */
    if (right >= 0) band.first = clamp(subtract(subtract(j, add(offset, right)), i), -far, far);
    if (d->window_left >= 0) band.last = clamp(subtract(add(subtract(d->window_left, offset), j + 1), i), -far, far);
    return band;
}

/* Masks what causal, window and key length leave out, with queries in lanes; `alone`: nothing was written before. */
static void cut_lanes(const attn_desc *d, int64_t b, int64_t i, int64_t ni, int64_t j, int64_t nj, float *out,
                      int64_t key_step, bool alone)
{
    const int64_t seen = clamp(key_length(d, b) - j, 0, nj);
    const query_range band = band_of(d, b, i, j);
    kernels_table()->cut(&(cut_tile){ni, seen, band.first, band.last, out, key_step, alone});
    for (int64_t n = seen; n < nj; n++) fill(out + n * key_step, ni, 1, -INFINITY);
}

/* The same with keys beside each other. */
static void cut_queries(const attn_desc *d, int64_t b, int64_t i, int64_t ni, int64_t j, int64_t nj, float *out,
                        int64_t query_step, int64_t key_step)
{
    for (int64_t m = 0; m < ni; m++, out += query_step) {
        key_range seen = visible_keys(d, b, i + m);
        int64_t first = clamp(seen.first - j, 0, nj), last = clamp(seen.last - j, first, nj);
        fill(out, first, key_step, -INFINITY);
        fill(out + last * key_step, nj - last, key_step, -INFINITY);
    }
}

static float slope_of(const attn_desc *d, int64_t h)
{
    return d->alibi_slopes ? d->alibi_slopes[h] : 0;
}

/* Whether mask, bias or distances say anything about head h. */
static bool adds(const attn_desc *d, int64_t h)
{
    return d->mask.data || d->bias.data || slope_of(d, h) != 0;
}

/* Farther than this is 2^63 in fp32: a tile's offsets can be added, and change nothing. */
#define FARTHEST (INT64_MAX - ((int64_t)1 << 37))

int64_t visible_distance(const attn_desc *d, int64_t b, int64_t i, int64_t j)
{
    return clamp(subtract(position(d, b, i), j), -FARTHEST, FARTHEST);
}

/* What mask, bias and distances say, or zeros without them; which pairs are left. */
static attn_tile_kept read_masks(const attn_desc *d, int64_t b, int64_t h, int64_t i, int64_t ni, int64_t j, int64_t nj,
                                 float *out, int64_t query_step, int64_t key_step)
{
    const attn_mask *mask = &d->mask, *bias = &d->bias;
    const modification_tile tile = {
        .queries = ni,
        .keys = nj,
        .mask = mask->data ? (const uint8_t *)mask->data + mask_offset(mask, b, h, i, j) : NULL,
        .mask_row = mask->row,
        .mask_column = mask->column,
        .bias = bias->data ? (const float *)bias->data + mask_offset(bias, b, h, i, j) : NULL,
        .bias_row = bias->row,
        .bias_column = bias->column,
        .out = out,
        .query_step = query_step,
        .key_step = key_step,
        .slope = slope_of(d, h),
        .distance = visible_distance(d, b, i, j),
    };
    return kernels_table()->modification(&tile);
}

int64_t visible_next(const attn_desc *d, int64_t b, int64_t h, int64_t i, int64_t ni, int64_t j)
{
    const bool lists = d->block_mask.starts && d->S; /* without keys nobody checked them */
    return lists ? block_mask_next(d, &(block_tile){b, h, i, ni, j, 1}) : j;
}

attn_tile visible_place(const attn_desc *d, int64_t b, int64_t h, int64_t i, int64_t j)
{
    return (attn_tile){.sequence = b, .head = h, .query = i, .position = position(d, b, i), .key = j};
}

static attn_tile_kept call_mask(const attn_desc *d, const block_tile *t, float *modification, int64_t query_step,
                                int64_t key_step)
{
    attn_tile tile = visible_place(d, t->b, t->h, t->i, t->j);
    tile.queries = t->ni, tile.keys = t->nj;
    tile.values = modification;
    tile.query_step = query_step, tile.key_step = key_step;
    return d->mask_function(d->mask_user, &tile);
}

bool visible_has_bits(const attn_desc *d, int64_t h)
{
    return !d->bias.data && slope_of(d, h) == 0 && !d->block_mask.starts && !d->mask_function;
}

/* What causal, window and key length leave out. */
static void cut_bits(const attn_desc *d, int64_t b, int64_t i, int64_t j, int64_t nj, uint64_t *seen)
{
    const query_range band = band_of(d, b, i, j);
    const int64_t length = clamp(key_length(d, b) - j, 0, nj);
    for (int64_t n = 0; n < length; n++) seen[n] &= first_bits(band.last + n) & ~first_bits(band.first + n);
    for (int64_t n = length; n < nj; n++) seen[n] = 0;
}

visible_kind visible_bits(const attn_desc *d, int64_t b, int64_t h, int64_t i, int64_t ni, int64_t j, int64_t nj,
                          uint64_t *seen)
{
    const key_range first = visible_keys(d, b, i), last = visible_keys(d, b, i + ni - 1);
    const bool none = first.first >= j + nj || last.last <= j, cut = last.first > j || first.last < j + nj;
    const attn_mask *mask = &d->mask;
    const uint64_t queries = first_bits(ni);
    uint64_t some = 0, all = queries;
    if (none) return VISIBLE_NONE;
    if (!cut && !mask->data) return VISIBLE_ALL;
    if (mask->data)
        kernels_table()->seen(&(seen_tile){.queries = ni,
                                           .keys = nj,
                                           .mask = (const uint8_t *)mask->data + mask_offset(mask, b, h, i, j),
                                           .mask_row = mask->row,
                                           .mask_column = mask->column,
                                           .seen = seen});
    for (int64_t n = 0; n < nj && !mask->data; n++) seen[n] = UINT64_MAX;
    if (cut) cut_bits(d, b, i, j, nj, seen);
    for (int64_t n = 0; n < nj; n++) some |= seen[n], all &= seen[n];
    return !(some & queries) ? VISIBLE_NONE : all == queries ? VISIBLE_ALL : VISIBLE_SOME;
}

visible_kind visible_tile(const attn_desc *d, int64_t b, int64_t h, int64_t i, int64_t ni, int64_t j, int64_t nj,
                          float *modification, int64_t query_step, int64_t key_step)
{
    const block_tile tile = {b, h, i, ni, j, nj};
    key_range first = visible_keys(d, b, i), last = visible_keys(d, b, i + ni - 1);
    bool none = first.first >= j + nj || last.last <= j, whole = true;
    if (!none && d->block_mask.starts) block_mask_counts(d, &tile, &none, &whole);
    if (none) return VISIBLE_NONE;
    bool cut = last.first > j || first.last < j + nj;
    bool plain = !cut && whole && !adds(d, h);
    if (plain && !d->mask_function) return VISIBLE_ALL;
    const bool cut_alone = cut && query_step == 1 && !adds(d, h);
    attn_tile_kept kept = ATTN_TILE_ALL;
    if (!cut_alone) kept = read_masks(d, b, h, i, ni, j, nj, modification, query_step, key_step);
    if (kept == ATTN_TILE_NONE) return VISIBLE_NONE;
    if (cut && query_step == 1)
        cut_lanes(d, b, i, ni, j, nj, modification, key_step, cut_alone);
    else if (cut)
        cut_queries(d, b, i, ni, j, nj, modification, query_step, key_step);
    if (!whole) block_mask_cut(d, &tile, modification, query_step, key_step);
    if (cut || !whole) kept = ATTN_TILE_SOME;
    attn_tile_kept called = d->mask_function ? call_mask(d, &tile, modification, query_step, key_step) : ATTN_TILE_ALL;
    if (called == ATTN_TILE_NONE) return VISIBLE_NONE;
    if (kept == ATTN_TILE_SOME || called == ATTN_TILE_SOME) return VISIBLE_SOME;
    return plain ? VISIBLE_ALL : VISIBLE_ADDED;
}
