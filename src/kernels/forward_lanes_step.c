/* One chunk of keys for a block with queries in lanes: products, softmax, products (forward_lanes.c tells the layout).
 */
#include "kernels/lane_softmax.h"
#include "kernels/simd_product.h"

extern forward_step_kernel SIMD_NAMED(forward_lanes_step);

/* product_sum for a right factor whose rows are `width` vectors; in every step it asks for a line. */
INLINE void multiply_tile(const int rows, const int vectors, const int width, const float *a, int64_t a_row,
                          int64_t a_step, const float *b, int64_t length, lines_ahead *ahead,
                          vec sum[PRODUCT_MOST_ROWS][PRODUCT_MOST_VECTORS])
{
    for (int64_t x = 0; x < length; x++) {
        lines_ahead_ask(ahead);
        product_step(rows, vectors, sum, a, a_row, b);
        a += a_step;
        b += width * SIMD_LANES;
    }
}

/* What happens to a chunk's scores as they leave the registers: change NULL: nothing is added, seen NULL: nothing is
 * masked by bits. */
typedef struct addition {
    const float *change; /* of the group's first query, for the tile's first key */
    int64_t stride;
    bool masked;
    const uint64_t *seen; /* for the tile's first key */
    int64_t query;        /* the group's first, in the block */
} addition;

INLINE void add_change(const bool masked, const int rows, const int vectors, const addition *add,
                       vec sum[PRODUCT_MOST_ROWS][PRODUCT_MOST_VECTORS])
{
    vec none = vec_set1(-INFINITY);
#pragma GCC unroll 8
    for (int row = 0; row < rows; row++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            vec change = vec_load(add->change + row * add->stride + v * SIMD_LANES), s = vec_add(sum[row][v], change);
            sum[row][v] = masked ? vec_select(vec_equal(change, none), none, s) : s;
        }
}

/* Scores of `rows` keys, their largest into most. */
INLINE void score_tile(const int rows, const int vectors, const int width, const float *k, int64_t k_row,
                       const float *q, int64_t D, const addition *add, lines_ahead *ahead, float *scores,
                       vec most[GROUP])
{
    vec sum[PRODUCT_MOST_ROWS][PRODUCT_MOST_VECTORS];
#pragma GCC unroll 8
    for (int row = 0; row < rows; row++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) sum[row][v] = vec_zero();
    multiply_tile(rows, vectors, width, k, k_row, 1, q, D, ahead, sum);
    if (add->change && add->masked) add_change(true, rows, vectors, add, sum);
    if (add->change && !add->masked) add_change(false, rows, vectors, add, sum);
    if (add->seen) mask_unseen(rows, vectors, PRODUCT_MOST_VECTORS, add->seen, add->query, sum[0]);
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
    const float *k = chunk->k, *q = g->q;
    float *scores = g->scores;
    int64_t row = chunk->k_row, D = block->D, take;
    addition add = {.stride = block_vectors(block) * SIMD_LANES, .masked = chunk->masked};
    if (chunk->modification && !bends(block)) add.change = chunk->modification + g->first;
    if (chunk->seen && !bends(block)) add.seen = chunk->seen, add.query = g->first;
    for (int64_t left = chunk->keys; left; left -= take) {
        take = next_rows(whole, left);
        if (take == 1) score_tile(1, vectors, width, k, row, q, D, &add, chunk->ahead, scores, most);
        if (take == 2) score_tile(2, vectors, width, k, row, q, D, &add, chunk->ahead, scores, most);
        if (take == 3) score_tile(3, vectors, width, k, row, q, D, &add, chunk->ahead, scores, most);
        if (take == 4) score_tile(4, vectors, width, k, row, q, D, &add, chunk->ahead, scores, most);
        if (take == 5) score_tile(5, vectors, width, k, row, q, D, &add, chunk->ahead, scores, most);
        if (take == 6) score_tile(6, vectors, width, k, row, q, D, &add, chunk->ahead, scores, most);
        if (take == 7 && whole > 6) score_tile(7, vectors, width, k, row, q, D, &add, chunk->ahead, scores, most);
        if (take == 8 && whole > 6) score_tile(8, vectors, width, k, row, q, D, &add, chunk->ahead, scores, most);
        k += take * row;
        scores += take * vectors * SIMD_LANES;
        if (add.change) add.change += take * add.stride;
        if (add.seen) add.seen += take;
    }
}

/* Scores to weights exp(score - largest), as powers of 2, and their sum; what sum and O so far must be multiplied by
 * into shrink. */
INLINE void weigh_chunk(const int vectors, const forward_chunk *chunk, const lane_group *g, const vec most[GROUP],
                        vec shrink[GROUP])
{
    vec base[GROUP], sum[GROUP];
    raise_largest(vectors, g, chunk->keys, most, base, shrink);
    for (int v = 0; v < vectors; v++) sum[v] = vec_zero();
    for (int64_t n = 0; n < chunk->keys; n++) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            float *at = g->scores + (n * vectors + v) * SIMD_LANES;
            vec p = vec_exp2(vec_fma(vec_load(at), vec_set1(LOG2_E), base[v]));
            vec_store(at, p);
            sum[v] = vec_add(sum[v], p);
        }
    }
    add_sums(vectors, g, shrink, sum);
}

/* Dropout, after the sum was taken. */
INLINE void drop_chunk(const int vectors, const forward_block *block, const forward_chunk *chunk, const lane_group *g)
{
    int64_t stride = block_vectors(block) * SIMD_LANES;
    for (int64_t n = 0; n < chunk->keys; n++) {
        for (int v = 0; v < vectors; v++) {
            float *at = g->scores + (n * vectors + v) * SIMD_LANES;
            vec factor = vec_load(chunk->dropout + n * stride + g->first + v * SIMD_LANES);
            vec_store(at, vec_mul(vec_load(at), factor));
        }
    }
}

/* Columns c .. c + rows - 1 of O where a masked key's value may be NaN or infinite, which a weight of 0 would not
 * silence: such a pair is passed over. The same sums in the same order otherwise. */
static __attribute__((noinline)) void value_tile_selected(int rows, int vectors, int width, const forward_block *block,
                                                          const forward_chunk *chunk, int64_t c, const lane_group *g,
                                                          const vec shrink[GROUP])
{
    const int64_t stride = block_vectors(block) * SIMD_LANES;
    for (int64_t last = c + rows; c < last; c++) {
        for (int v = 0; v < vectors; v++) {
            float *o = g->o + (c * width + v) * SIMD_LANES;
            vec sum = vec_mul(vec_load(o), shrink[v]);
            for (int64_t n = 0; n < chunk->keys; n++) {
                vec weight = vec_load(g->scores + (n * vectors + v) * SIMD_LANES);
                vec next = vec_fma(vec_set1(chunk->v[n * chunk->v_row + c]), weight, sum);
                sum = vec_select(seeing(chunk, stride, n, g->first + v * SIMD_LANES), next, sum);
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
    multiply_tile(rows, vectors, vectors, chunk->v + c, 1, chunk->v_row, g->scores, chunk->keys, chunk->ahead, sum);
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

/* The group with its scores where their modification stands, if each is read just before its score is stored and never
 * again: these lines are in the first cache, which would not hold both beside K and V. */
static inline lane_group scored_in_place(int vectors, const forward_block *block, const forward_chunk *chunk,
                                         const lane_group *g)
{
    lane_group scored = *g;
    const bool same_layout = vectors == block_vectors(block);
    if (chunk->modification && !chunk->masked && !bends(block) && same_layout) scored.scores = chunk->modification;
    return scored;
}

/* `vectors` of a group of `width`. */
INLINE void step_part(const int vectors, const int width, const forward_block *block, const forward_chunk *whole,
                      const lane_group *group)
{
    const key_span span = seen_keys(vectors, block, whole, group);
    if (span.first == span.last) return;
    forward_chunk part = chunk_span(block, whole, span);
    const lane_group scored = scored_in_place(vectors, block, &part, group), *g = &scored;
    part.k += span.first * part.k_row, part.v += span.first * part.v_row;
    vec most[GROUP], shrink[GROUP];
    for (int v = 0; v < vectors; v++) most[v] = vec_set1(-INFINITY);
    score_chunk(vectors, width, block, &part, g, most);
    if (bends(block)) modify_chunk(vectors, block, &part, g, most);
    weigh_chunk(vectors, &part, g, most, shrink);
    if (part.dropout) drop_chunk(vectors, block, &part, g);
    value_chunk(vectors, width, block, &part, g, shrink);
}

#include "kernels/lane_steps.h" /* of step_part */

void SIMD_NAMED(forward_lanes_step)(const forward_block *block, const forward_chunk *chunk)
{
    step_groups(&steps, block, chunk);
}
