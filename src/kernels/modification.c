/* What a mask, a bias and distances add to a tile of scores. Masks are read along their rows, SIMD_LANES queries by
 * SIMD_LANES keys at a time, and turned where the tile wants queries in lanes. */
#include "kernels/kernels.h"
#include "kernels/simd.h"

#include <math.h>

extern modification_kernel SIMD_NAMED(modification);

/* -slope * |distance| for a vector of distances, `first` + step * lane. */
static vec sloped(const modification_tile *tile, int64_t first, float step)
{
    float lanes[SIMD_LANES];
    for (int lane = 0; lane < SIMD_LANES; lane++) lanes[lane] = step * (float)lane;
    vec distance = vec_add(vec_set1((float)first), vec_load(lanes));
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

static vmask are_kept(vec modification)
{
    return mask_not(vec_equal(modification, vec_set1(-INFINITY))); /* a NaN is kept */
}

static vmask write_in_lanes(const modification_tile *tile, int64_t m, int64_t n, int keys)
{
    vec rows[SIMD_LANES];
    vmask kept = mask_first(0);
    int queries = (int)(tile->queries - m < SIMD_LANES ? tile->queries - m : SIMD_LANES);
    for (int r = 0; r < SIMD_LANES; r++) {
        rows[r] = read_keys(tile, r < queries ? m + r : m, n, keys);
        kept = mask_or(kept, are_kept(rows[r]));
    }
    vec_transpose(rows);
    for (int c = 0; c < keys; c++) vec_store_n(tile->out + m + (n + c) * tile->key_step, rows[c], queries);
    return kept;
}

static vmask write_in_rows(const modification_tile *tile, int64_t m, int64_t n, int keys)
{
    vec row = read_keys(tile, m, n, keys);
    vec_store_n(tile->out + m * tile->query_step + n, row, keys);
    return are_kept(row);
}

/* One row that every query shares, with queries in lanes. */
static vmask write_shared(const modification_tile *tile, int64_t n, int keys)
{
    vec row = read_keys(tile, 0, n, keys);
    float each[SIMD_LANES];
    vec_store(each, row);
    for (int c = 0; c < keys; c++) {
        float *out = tile->out + (n + c) * tile->key_step;
        for (int64_t m = 0; m < tile->queries; m += SIMD_LANES)
            vec_store_n(out + m, vec_set1(each[c]),
                        (int)(tile->queries - m < SIMD_LANES ? tile->queries - m : SIMD_LANES));
    }
    return are_kept(row);
}

/* Distances alone, with queries in lanes: nothing has to be turned. */
static bool write_distances(const modification_tile *tile)
{
    vmask kept = mask_first(0);
    for (int64_t n = 0; n < tile->keys; n++)
        for (int64_t m = 0; m < tile->queries; m += SIMD_LANES) {
            int queries = (int)(tile->queries - m < SIMD_LANES ? tile->queries - m : SIMD_LANES);
            vec x = vec_add(vec_zero(), sloped(tile, tile->distance + m - n, 1));
            vec_store_n(tile->out + m + n * tile->key_step, x, queries);
            kept = mask_or(kept, mask_and(mask_first(queries), are_kept(x)));
        }
    return mask_any(kept);
}

bool SIMD_NAMED(modification)(const modification_tile *tile)
{
    bool lanes = tile->query_step == 1;
    if (lanes && tile->slope != 0 && !tile->mask && !tile->bias) return write_distances(tile);
    bool shared = lanes && tile->slope == 0 && (!tile->mask || !tile->mask_row) && (!tile->bias || !tile->bias_row);
    vmask kept = mask_first(0);
    for (int64_t n = 0; n < tile->keys; n += SIMD_LANES) {
        int keys = (int)(tile->keys - n < SIMD_LANES ? tile->keys - n : SIMD_LANES);
        if (shared) kept = mask_or(kept, write_shared(tile, n, keys));
        for (int64_t m = 0; !shared && m < tile->queries; m += lanes ? SIMD_LANES : 1)
            kept = mask_or(kept, lanes ? write_in_lanes(tile, m, n, keys) : write_in_rows(tile, m, n, keys));
    }
    return mask_any(kept);
}
