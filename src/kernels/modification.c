/* What a mask, a bias and distances add to a tile of scores. Masks are read along their rows, SIMD_LANES queries by
 * SIMD_LANES keys at a time, and turned where the tile wants queries in lanes. */
#include "kernels/kernels.h"
#include "kernels/simd_math.h"
#include "kernels/simd_parts.h"

#include <math.h>

extern modification_kernel SIMD_NAMED(modification);
extern cut_kernel SIMD_NAMED(cut);

/* What was found in a tile's vectors: numbers, and -inf. */
typedef struct found {
    vmask kept, lost;
} found;

static void look_at(found *f, vec modification, int count)
{
    vmask lost = vec_equal(modification, vec_set1(-INFINITY)), there = mask_first(count); /* a NaN is kept */
    f->lost = mask_or(f->lost, mask_and(lost, there));
    f->kept = mask_or(f->kept, mask_and(mask_not(lost), there));
}

/* -slope * |distance| for a vector of distances, `first` + step * lane. */
static vec sloped(const modification_tile *tile, int64_t first, float step)
{
    vec distance = vec_add(vec_set1((float)first), vec_steps(step));
    return vec_mul(vec_set1(tile->slope), vec_with_sign(distance, vec_set1(-1)));
}

/* The modifications of query m for `count` keys from n on; beyond them -inf. */
static vec read_keys(const modification_tile *tile, int64_t m, int64_t n, int count)
{
    vec x = vec_zero(), none = vec_set1(-INFINITY);
    if (tile->bias) {
        const float *bias = tile->bias + m * tile->bias_row + n * tile->bias_column;
        float gathered[SIMD_LANES] = {0};
        for (int c = 0; tile->bias_column != 1 && c < count; c++) gathered[c] = bias[c * tile->bias_column];
        x = vec_load_n(tile->bias_column == 1 ? bias : gathered, count);
    }
    if (tile->slope != 0) x = vec_add(x, sloped(tile, tile->distance + m - n, -1));
    vmask keep = mask_first(count);
    if (tile->mask) {
        const uint8_t *mask = tile->mask + m * tile->mask_row + n * tile->mask_column;
        uint8_t gathered[SIMD_LANES] = {0};
        for (int c = 0; tile->mask_column != 1 && c < count; c++) gathered[c] = mask[c * tile->mask_column];
        keep = mask_load_bytes(tile->mask_column == 1 ? mask : gathered, count);
    }
    return vec_select(keep, x, none);
}

static void write_in_lanes(const modification_tile *tile, int64_t m, int64_t n, int keys, found *f)
{
    vec rows[SIMD_LANES];
    int queries = part_at(tile->queries, m);
    for (int r = 0; r < SIMD_LANES; r++) {
        rows[r] = read_keys(tile, r < queries ? m + r : m, n, keys);
        look_at(f, rows[r], keys);
    }
    vec_transpose(rows);
    for (int c = 0; c < keys; c++) vec_store_n(tile->out + m + (n + c) * tile->key_step, rows[c], queries);
}

static void write_in_rows(const modification_tile *tile, int64_t m, int64_t n, int keys, found *f)
{
    vec row = read_keys(tile, m, n, keys);
    vec_store_n(tile->out + m * tile->query_step + n, row, keys);
    look_at(f, row, keys);
}

/* One row that every query shares, with queries in lanes. */
static void write_shared(const modification_tile *tile, int64_t n, int keys, found *f)
{
    vec row = read_keys(tile, 0, n, keys);
    float each[SIMD_LANES];
    vec_store(each, row);
    for (int c = 0; c < keys; c++) {
        float *out = tile->out + (n + c) * tile->key_step;
        for (int64_t m = 0; m < tile->queries; m += SIMD_LANES)
            vec_store_n(out + m, vec_set1(each[c]), part_at(tile->queries, m));
    }
    look_at(f, row, keys);
}

/* Distances alone, with queries in lanes: nothing has to be turned. */
static void write_distances(const modification_tile *tile, found *f)
{
    for (int64_t n = 0; n < tile->keys; n++)
        for (int64_t m = 0; m < tile->queries; m += SIMD_LANES) {
            int queries = part_at(tile->queries, m);
            vec x = vec_add(vec_zero(), sloped(tile, tile->distance + m - n, 1));
            vec_store_n(tile->out + m + n * tile->key_step, x, queries);
            look_at(f, x, queries);
        }
}

/* Asks for what is read some vectors later, of the queries below or of the keys behind the tile: rows that lie far
 * apart are no pattern that a prefetcher follows. The address may be nobody's. */
static void ask_ahead(const void *at, int64_t bytes)
{
    __builtin_prefetch((const void *)((uintptr_t)at + (uintptr_t)bytes), 0, 2);
}

/* How many elements ahead that is. */
static int64_t ahead_of(const modification_tile *tile, int64_t m, int64_t row)
{
    return m + SIMD_LANES < tile->queries ? SIMD_LANES * row : tile->keys - m * row;
}

/* Whether anything of a square that was written is not -inf. */
static vmask kept_in(const float *out, int64_t key_step)
{
    const vec none = vec_set1(-INFINITY);
    vmask kept = mask_first(0);
    for (int c = 0; c < SIMD_LANES; c++) kept = mask_or(kept, mask_not(vec_equal(vec_load(out + c * key_step), none)));
    return kept;
}

/* SIMD_LANES queries from m on by as many keys from n on of contiguous rows without distances, which is nearly all of a
 * large mask or bias. */
INLINE void write_square(const bool biased, const bool masked, const modification_tile *tile, int64_t m, int64_t n,
                         found *f)
{
    const int64_t bias_row = tile->bias_row, mask_row = tile->mask_row, key_step = tile->key_step;
    const int64_t bias_ahead = ahead_of(tile, m, bias_row) * (int64_t)sizeof(float);
    const int64_t mask_ahead = ahead_of(tile, m, mask_row);
    const float *bias = biased ? tile->bias + m * bias_row + n : NULL;
    const uint8_t *mask = masked ? tile->mask + m * mask_row + n : NULL;
    float *out = tile->out + m + n * key_step;
    vec rows[SIMD_LANES], least = vec_zero(), none = vec_set1(-INFINITY);
#pragma GCC unroll 16
    for (int r = 0; r < SIMD_LANES; r++) {
        rows[r] = biased ? vec_load(bias + r * bias_row) : vec_zero();
        if (biased) ask_ahead(bias + r * bias_row, bias_ahead);
        if (masked) rows[r] = vec_select(mask_load_bytes(mask + r * mask_row, SIMD_LANES), rows[r], none);
        if (masked) ask_ahead(mask + r * mask_row, mask_ahead);
        least = vec_min(rows[r], least); /* the second argument where the first is NaN */
    }
    vec_transpose(rows);
#pragma GCC unroll 16
    for (int c = 0; c < SIMD_LANES; c++) vec_store(out + c * key_step, rows[c]);
    const vmask lost = vec_equal(least, none);
    f->lost = mask_or(f->lost, lost);
    if (!mask_any(f->kept)) f->kept = mask_any(lost) ? kept_in(out, key_step) : mask_first(SIMD_LANES);
}

/* Queries m .. m + SIMD_LANES - 1. */
static void write_lanes(const modification_tile *tile, int64_t m, found *f)
{
    const bool contiguous = (!tile->bias || tile->bias_column == 1) && (!tile->mask || tile->mask_column == 1);
    const bool whole = contiguous && tile->slope == 0 && tile->queries - m >= SIMD_LANES;
    const int64_t squares = whole ? tile->keys - tile->keys % SIMD_LANES : 0;
    for (int64_t n = 0; n < squares; n += SIMD_LANES) {
        if (tile->bias && tile->mask)
            write_square(true, true, tile, m, n, f);
        else if (tile->bias)
            write_square(true, false, tile, m, n, f);
        else
            write_square(false, true, tile, m, n, f);
    }
    for (int64_t n = squares; n < tile->keys; n += SIMD_LANES) write_in_lanes(tile, m, n, part_at(tile->keys, n), f);
}

static void write_tile(const modification_tile *tile, found *f)
{
    const bool lanes = tile->query_step == 1;
    const bool shared =
        lanes && tile->slope == 0 && (!tile->mask || !tile->mask_row) && (!tile->bias || !tile->bias_row);
    for (int64_t m = 0; lanes && !shared && m < tile->queries; m += SIMD_LANES) write_lanes(tile, m, f);
    for (int64_t n = 0; (shared || !lanes) && n < tile->keys; n += SIMD_LANES) {
        int keys = part_at(tile->keys, n);
        if (shared) write_shared(tile, n, keys, f);
        for (int64_t m = 0; !shared && m < tile->queries; m++) write_in_rows(tile, m, n, keys, f);
    }
}

attn_tile_kept SIMD_NAMED(modification)(const modification_tile *tile)
{
    found f = {mask_first(0), mask_first(0)};
    if (tile->query_step == 1 && tile->slope != 0 && !tile->mask && !tile->bias)
        write_distances(tile, &f);
    else
        write_tile(tile, &f);
    if (!mask_any(f.kept)) return ATTN_TILE_NONE;
    return mask_any(f.lost) ? ATTN_TILE_SOME : ATTN_TILE_ALL;
}

void SIMD_NAMED(cut)(const cut_tile *tile)
{
    const vec none = vec_set1(-INFINITY), zero = vec_zero();
    for (int64_t n = 0; n < tile->keys; n++)
        for (int64_t m = 0; m < tile->queries; m += SIMD_LANES) {
            float *at = tile->out + m + n * tile->key_step;
            const int count = part_at(tile->queries, m);
            const vmask seen = mask_between(m - n, tile->first, tile->last);
            store_part(at, vec_select(seen, tile->alone ? zero : vec_load_n(at, count), none), count);
        }
}
