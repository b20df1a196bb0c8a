/* Forward attention on bf16 by instructions that multiply pairs of them and add both products to an fp32 sum: queries
 * in lanes as in forward_lanes.c, whose layout and softmax these are, with two dimensions, or two keys, in each step
 *
 *     scores[key][query] += K[key][d, d + 1] . Q[d, d + 1][query]        O[c][query] += V[key, key + 1][c] .
 * weight[key, key + 1][query]
 *
 * K is read from the caller's rows as they stand; V comes in pairs of keys (pair_rows). Q is not scaled, which would
 * round it again: its scores are. Weights are rounded to bf16 after they were summed, in place of the scores that they
 * come from.
 *
 * scratch as in forward_lanes.c, but Q [(D + 1) / 2][width] of pairs; finish is that of forward_lanes.c. */
#include "kernels/lane_pairs.h"
#include "kernels/pairs_product.h"

#include <string.h>

extern pair_rows_kernel SIMD_NAMED(pair_rows);
extern forward_begin_kernel SIMD_NAMED(forward_pairs_begin);
extern forward_step_kernel SIMD_NAMED(forward_pairs_step);

static void join_rows(const uint16_t *first, const uint16_t *second, int64_t columns, uint32_t *to)
{
    int64_t c = 0;
    for (; c + SIMD_LANES <= columns; c += SIMD_LANES)
        pairs_store(to + c, pairs_join(first + c, second + c, SIMD_LANES));
    if (c == columns) return;
    uint32_t rest[SIMD_LANES];
    pairs_store(rest, pairs_join(first + c, second + c, (int)(columns - c)));
    memcpy(to + c, rest, (size_t)(columns - c) * sizeof *rest);
}

void SIMD_NAMED(pair_rows)(const uint16_t *rows, int64_t row, int64_t count, int64_t columns, uint32_t *to)
{
    for (; count >= 2; count -= 2, rows += 2 * row, to += columns) join_rows(rows, rows + row, columns, to);
    for (int64_t c = 0; count && c < columns; c++) to[c] = rows[c];
}

void SIMD_NAMED(forward_pairs_begin)(const forward_block *block)
{
    for (int64_t vector = 0; vector < block_vectors(block); vector += GROUP) {
        lane_group g = group_at(block, vector);
        begin_group(block, &g);
        for (int v = 0; v < g.vectors; v++)
            transpose_queries(block, g.first + v * SIMD_LANES, g.q + v * SIMD_LANES, (int64_t)g.vectors * SIMD_LANES);
    }
}

/* Scores of `rows` keys, their largest into most; seen: which queries from `query` on see them, NULL: all. */
INLINE void score_tile(const int rows, const int vectors, const int width, const uint16_t *k, int64_t k_row,
                       const float *q, int64_t D, float scale, const uint64_t *seen, int64_t query, lines_ahead *ahead,
                       float *scores, vec most[GROUP])
{
    vec sum[PRODUCT_MOST_ROWS][PRODUCT_MOST_VECTORS];
#pragma GCC unroll 8
    for (int row = 0; row < rows; row++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) sum[row][v] = vec_zero();
    const uint32_t *queries = (const uint32_t *)q;
    pairs_product_sum(rows, vectors, sum, &(pair_factors){k, k_row, 2, queries, width * SIMD_LANES, D / 2, ahead});
    if (D % 2) pairs_product_last(rows, vectors, sum, k + D - 1, k_row, queries + D / 2 * width * SIMD_LANES);
#pragma GCC unroll 8
    for (int row = 0; row < rows; row++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) sum[row][v] = vec_mul(sum[row][v], vec_set1(scale));
    if (seen) mask_unseen(rows, vectors, PRODUCT_MOST_VECTORS, seen, query, sum[0]);
#pragma GCC unroll 8
    for (int row = 0; row < rows; row++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            vec_store(scores + (row * vectors + v) * SIMD_LANES, sum[row][v]);
            most[v] = vec_max(sum[row][v], most[v]); /* a NaN is passed over here and found by its weight */
        }
}

INLINE void score_chunk(const int vectors, const int width, const forward_block *block, const forward_chunk *chunk,
                        const lane_group *g, vec most[GROUP])
{
    const int whole = ROWS(vectors);
    const uint16_t *k = chunk->k_bf16;
    const float *q = g->q;
    float *scores = g->scores, scale = block->scale;
    int64_t row = chunk->k_row, D = block->D, take;
    lines_ahead *ahead = chunk->ahead;
    const uint64_t *seen = bends(block) ? NULL : chunk->seen;
    for (int64_t left = chunk->keys; left; left -= take) {
        take = next_rows(whole, left);
        if (take == 1) score_tile(1, vectors, width, k, row, q, D, scale, seen, g->first, ahead, scores, most);
        if (take == 2) score_tile(2, vectors, width, k, row, q, D, scale, seen, g->first, ahead, scores, most);
        if (take == 3) score_tile(3, vectors, width, k, row, q, D, scale, seen, g->first, ahead, scores, most);
        if (take == 4) score_tile(4, vectors, width, k, row, q, D, scale, seen, g->first, ahead, scores, most);
        if (take == 5) score_tile(5, vectors, width, k, row, q, D, scale, seen, g->first, ahead, scores, most);
        if (take == 6) score_tile(6, vectors, width, k, row, q, D, scale, seen, g->first, ahead, scores, most);
        if (take == 7 && whole > 6)
            score_tile(7, vectors, width, k, row, q, D, scale, seen, g->first, ahead, scores, most);
        if (take == 8 && whole > 6)
            score_tile(8, vectors, width, k, row, q, D, scale, seen, g->first, ahead, scores, most);
        k += take * row;
        scores += take * vectors * SIMD_LANES;
        if (seen) seen += take;
    }
}

/* Of key n, if there is one, which queries see it. */
static vmask seeing_there(const forward_chunk *chunk, int64_t n, int64_t stride, int64_t first)
{
    return n < chunk->keys ? seeing(chunk, stride, n, first) : mask_first(0);
}

/* Columns c .. c + rows - 1 of O where a masked key's value may be NaN or infinite, which a weight of 0 would not
 * silence: it is taken as 0 there. The same sums in the same order otherwise. */
static __attribute__((noinline)) void value_tile_selected(int rows, int vectors, int width, const forward_block *block,
                                                          const forward_chunk *chunk, int64_t c, const lane_group *g,
                                                          const vec shrink[GROUP])
{
    const int64_t stride = block_vectors(block) * SIMD_LANES;
    for (int64_t last = c + rows; c < last; c++) {
        for (int v = 0; v < vectors; v++) {
            float *o = g->o + (c * width + v) * SIMD_LANES;
            vec sum = vec_mul(vec_load(o), shrink[v]);
            for (int64_t n = 0; n < chunk->keys; n += 2) {
                const int64_t lane = g->first + v * SIMD_LANES;
                pairs value = pairs_keep(seeing_there(chunk, n, stride, lane), seeing_there(chunk, n + 1, stride, lane),
                                         pairs_set1(chunk->v_pairs[n / 2 * chunk->v_row + c]));
                sum = pairs_dot(value, pairs_load(g->scores + (n / 2 * vectors + v) * SIMD_LANES), sum);
            }
            vec_store(o, sum);
        }
    }
}

/* `rows` columns of O: shrunk, then the chunk's weighted values added. */
INLINE void value_tile(const int rows, const int vectors, const int width, const forward_block *block,
                       const forward_chunk *chunk, int64_t c, const lane_group *g, const vec shrink[GROUP])
{
    vec sum[PRODUCT_MOST_ROWS][PRODUCT_MOST_VECTORS];
    float *o = g->o + c * width * SIMD_LANES;
#pragma GCC unroll 8
    for (int row = 0; row < rows; row++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            sum[row][v] = vec_mul(vec_load(o + (row * width + v) * SIMD_LANES), shrink[v]);
    pairs_product_sum(rows, vectors, sum,
                      &(pair_factors){.left = (const uint16_t *)(chunk->v_pairs + c),
                                      .left_row = 2,
                                      .left_step = 2 * chunk->v_row,
                                      .right = (const uint32_t *)g->scores,
                                      .right_row = vectors * SIMD_LANES,
                                      .count = (chunk->keys + 1) / 2,
                                      .ahead = chunk->ahead});
    if (is_masked(chunk) && !are_finite(rows, vectors, PRODUCT_MOST_VECTORS, sum[0], block->queries - g->first)) {
        value_tile_selected(rows, vectors, width, block, chunk, c, g, shrink);
        return;
    }
#pragma GCC unroll 8
    for (int row = 0; row < rows; row++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) vec_store(o + (row * width + v) * SIMD_LANES, sum[row][v]);
}

#include "kernels/lane_values.h" /* of value_tile */

/* `vectors` of a group of `width`. */
INLINE void step_part(const int vectors, const int width, const forward_block *block, const forward_chunk *whole,
                      const lane_group *g)
{
    const key_span span = seen_keys(vectors, block, whole, g);
    if (span.first == span.last) return;
    forward_chunk part = chunk_span(block, whole, span);
    part.k_bf16 += span.first * part.k_row, part.v_pairs += span.first / 2 * part.v_row;
    vec most[GROUP], shrink[GROUP];
    for (int v = 0; v < vectors; v++) most[v] = vec_set1(-INFINITY);
    score_chunk(vectors, width, block, &part, g, most);
    if (part.modification || bends(block)) modify_chunk(vectors, block, &part, g, most);
    weigh_chunk(vectors, block, &part, g, most, shrink);
    value_chunk(vectors, width, block, &part, g, shrink);
}

#include "kernels/lane_steps.h" /* of step_part */

void SIMD_NAMED(forward_pairs_step)(const forward_block *block, const forward_chunk *chunk)
{
    step_groups(&steps, block, chunk);
}
