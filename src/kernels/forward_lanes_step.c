/* One chunk of keys for a block with queries in lanes: products, softmax, products (forward_lanes.c tells the layout).
 */
#include "kernels/kernels.h"
#include "kernels/lane_group.h"
#include "kernels/simd.h"
#include "kernels/simd_math.h"

#include <math.h>

extern forward_step_kernel SIMD_NAMED(forward_lanes_step);

#define INLINE static inline __attribute__((always_inline))

/* A register tile holds ROWS(vectors) keys (or columns of V) of `vectors` vectors of queries: as many sums as leave
 * room for the queries' vectors and one broadcast. */
#if SIMD_REGISTERS >= 32
#define ROWS(vectors) ((vectors) == 4 ? 6 : 8)
#else
#define ROWS(vectors) ((vectors) == 2 ? 6 : 8)
#endif
#define MOST_ROWS 8

/* sum[row][v] += a[row * a_row + x * a_step] * b[x * width + v] for x in 0 .. length - 1, in order; width counts
 * vectors. */
INLINE void multiply_tile(const int rows, const int vectors, const int width, const float *a, int64_t a_row,
                          int64_t a_step, const float *b, int64_t length, vec sum[MOST_ROWS][GROUP])
{
    for (int64_t x = 0; x < length; x++) {
        vec lane[GROUP];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) lane[v] = vec_load(b + v * SIMD_LANES);
#pragma GCC unroll 8
        for (int row = 0; row < rows; row++) {
            vec factor = vec_set1(a[row * a_row]);
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++) sum[row][v] = vec_fma(factor, lane[v], sum[row][v]);
        }
        a += a_step;
        b += width * SIMD_LANES;
    }
}

/* Scores of `rows` keys, their largest into most. */
INLINE void score_tile(const int rows, const int vectors, const int width, const float *k, int64_t k_row,
                       const float *q, int64_t D, float *scores, vec most[GROUP])
{
    vec sum[MOST_ROWS][GROUP];
#pragma GCC unroll 8
    for (int row = 0; row < rows; row++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) sum[row][v] = vec_zero();
    multiply_tile(rows, vectors, width, k, k_row, 1, q, D, sum);
#pragma GCC unroll 8
    for (int row = 0; row < rows; row++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            vec_store(scores + (row * vectors + v) * SIMD_LANES, sum[row][v]);
            most[v] = vec_max(sum[row][v], most[v]); /* a NaN is passed over here and found by its weight */
        }
}

/* How many rows the next tile takes of those left: whole tiles, then two halves rather than a whole and a sliver. */
INLINE int64_t next_rows(const int whole, int64_t left)
{
    return left >= 2 * whole ? whole : left > whole ? (left + 1) / 2 : left;
}

INLINE void score_chunk(const int vectors, const int width, const forward_block *block, const forward_chunk *chunk,
                        const lane_group *g, vec most[GROUP])
{
    const int whole = ROWS(vectors);
    const float *k = chunk->k, *q = g->q;
    float *scores = g->scores;
    int64_t row = chunk->k_row, D = block->D, take;
    for (int64_t left = chunk->keys; left; left -= take) {
        take = next_rows(whole, left);
        if (take == 1) score_tile(1, vectors, width, k, row, q, D, scores, most);
        if (take == 2) score_tile(2, vectors, width, k, row, q, D, scores, most);
        if (take == 3) score_tile(3, vectors, width, k, row, q, D, scores, most);
        if (take == 4) score_tile(4, vectors, width, k, row, q, D, scores, most);
        if (take == 5) score_tile(5, vectors, width, k, row, q, D, scores, most);
        if (take == 6) score_tile(6, vectors, width, k, row, q, D, scores, most);
        if (take == 7 && whole > 6) score_tile(7, vectors, width, k, row, q, D, scores, most);
        if (take == 8 && whole > 6) score_tile(8, vectors, width, k, row, q, D, scores, most);
        k += take * row;
        scores += take * vectors * SIMD_LANES;
    }
}

static void cap_chunk(int vectors, const forward_block *block, const forward_chunk *chunk, const lane_group *g)
{
    vec cap = vec_set1(block->softcap);
    for (int64_t n = 0; n < chunk->keys * vectors; n++) {
        float *at = g->scores + n * SIMD_LANES;
        vec_store(at, vec_mul(cap, vec_tanh(vec_div(vec_load(at), cap))));
    }
}

/* The caller's function, on the scores of the group's queries. */
static void call_function(int vectors, const forward_block *block, const forward_chunk *chunk, const lane_group *g)
{
    int64_t lanes = (int64_t)vectors * SIMD_LANES, left = block->queries - g->first;
    if (block->softcap > 0) cap_chunk(vectors, block, chunk, g);
    score_function_call(&block->function, g->first, left < lanes ? left : lanes, chunk->key, chunk->keys, g->scores,
                        NULL, 1, lanes);
}

/* Caps the scores, has the caller's function applied, adds the modification, masks; the largest of what is left into
 * most. */
INLINE void modify_chunk(const int vectors, const forward_block *block, const forward_chunk *chunk, const lane_group *g,
                         vec most[GROUP])
{
    int64_t stride = block_vectors(block) * SIMD_LANES;
    vec masked = vec_set1(-INFINITY), cap = vec_set1(block->softcap);
    const bool called = block->function.call != NULL;
    if (called) call_function(vectors, block, chunk, g);
    for (int v = 0; v < vectors; v++) most[v] = masked;
    for (int64_t n = 0; n < chunk->keys; n++) {
        for (int v = 0; v < vectors; v++) {
            float *at = g->scores + (n * vectors + v) * SIMD_LANES;
            vec s = vec_load(at);
            if (!called && block->softcap > 0) s = vec_mul(cap, vec_tanh(vec_div(s, cap)));
            if (chunk->modification) {
                vec change = vec_load(chunk->modification + n * stride + g->first + v * SIMD_LANES);
                s = vec_select(vec_equal(change, masked), masked, vec_add(s, change));
            }
            vec_store(at, s);
            most[v] = vec_max(s, most[v]);
        }
    }
}

/* Scores to weights exp(score - largest), as powers of 2, and their sum; what sum and O so far must be multiplied by
 * into shrink. */
INLINE void weigh_chunk(const int vectors, const forward_chunk *chunk, const lane_group *g, const vec most[GROUP],
                        vec shrink[GROUP])
{
    vec base[GROUP], sum[GROUP], none = vec_set1(-INFINITY);
    for (int v = 0; v < vectors; v++) {
        vec before = vec_load(g->largest + v * SIMD_LANES);
        vec largest = vec_max(vec_mul(most[v], vec_set1(LOG2_E)), before);
        /* A row without any key yet has largest -inf, and -inf - -inf is NaN. */
        base[v] = vec_select(vec_equal(largest, none), vec_zero(), largest);
        shrink[v] = vec_exp2(vec_sub(before, base[v]));
        vec_store(g->largest + v * SIMD_LANES, largest);
        base[v] = vec_sub(vec_zero(), base[v]);
        sum[v] = vec_zero();
    }
    for (int64_t n = 0; n < chunk->keys; n++) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            float *at = g->scores + (n * vectors + v) * SIMD_LANES;
            vec p = vec_exp2(vec_fma(vec_load(at), vec_set1(LOG2_E), base[v]));
            vec_store(at, p);
            sum[v] = vec_add(sum[v], p);
        }
    }
    for (int v = 0; v < vectors; v++) {
        float *at = g->sum + v * SIMD_LANES;
        vec_store(at, vec_fma(vec_load(at), shrink[v], sum[v]));
    }
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

/* `rows` columns of O: shrunk, then the chunk's weighted values added. */
INLINE void value_tile(const int rows, const int vectors, const int width, const forward_chunk *chunk, int64_t c,
                       const lane_group *g, const vec shrink[GROUP])
{
    vec sum[MOST_ROWS][GROUP];
    float *o = g->o + c * width * SIMD_LANES;
#pragma GCC unroll 8
    for (int row = 0; row < rows; row++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            sum[row][v] = vec_mul(vec_load(o + (row * width + v) * SIMD_LANES), shrink[v]);
    multiply_tile(rows, vectors, vectors, chunk->v + c, 1, chunk->v_row, g->scores, chunk->keys, sum);
#pragma GCC unroll 8
    for (int row = 0; row < rows; row++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) vec_store(o + (row * width + v) * SIMD_LANES, sum[row][v]);
}

INLINE void value_chunk(const int vectors, const int width, const forward_block *block, const forward_chunk *chunk,
                        const lane_group *g, const vec shrink[GROUP])
{
    const int whole = ROWS(vectors);
    int64_t take;
    for (int64_t c = 0; c < block->DV; c += take) {
        take = next_rows(whole, block->DV - c);
        if (take == 1) value_tile(1, vectors, width, chunk, c, g, shrink);
        if (take == 2) value_tile(2, vectors, width, chunk, c, g, shrink);
        if (take == 3) value_tile(3, vectors, width, chunk, c, g, shrink);
        if (take == 4) value_tile(4, vectors, width, chunk, c, g, shrink);
        if (take == 5) value_tile(5, vectors, width, chunk, c, g, shrink);
        if (take == 6) value_tile(6, vectors, width, chunk, c, g, shrink);
        if (take == 7 && whole > 6) value_tile(7, vectors, width, chunk, c, g, shrink);
        if (take == 8 && whole > 6) value_tile(8, vectors, width, chunk, c, g, shrink);
    }
}

/* Whether all of the chunk's values are finite. */
static bool values_are_finite(const forward_block *block, const forward_chunk *chunk)
{
    vec nothing = vec_zero();
    for (int64_t n = 0; n < chunk->keys; n++) {
        const float *v = chunk->v + n * chunk->v_row;
        for (int64_t c = 0; c < block->DV; c += SIMD_LANES) {
            vec x = vec_load_n(v + c, (int)(block->DV - c < SIMD_LANES ? block->DV - c : SIMD_LANES));
            nothing = vec_add(nothing, vec_sub(x, x));
        }
    }
    return vec_sum(nothing) == 0;
}

/* value_chunk where a masked key's value may be NaN or infinite, which a weight of 0 would not silence: such a pair is
 * passed over. The same sums in the same order otherwise. */
static void value_chunk_selected(int vectors, int width, const forward_block *block, const forward_chunk *chunk,
                                 const lane_group *g, const vec shrink[GROUP])
{
    int64_t stride = block_vectors(block) * SIMD_LANES;
    vec masked = vec_set1(-INFINITY);
    for (int64_t c = 0; c < block->DV; c++) {
        for (int v = 0; v < vectors; v++) {
            float *o = g->o + (c * width + v) * SIMD_LANES;
            vec sum = vec_mul(vec_load(o), shrink[v]);
            for (int64_t n = 0; n < chunk->keys; n++) {
                vec change = vec_load(chunk->modification + n * stride + g->first + v * SIMD_LANES);
                vec weight = vec_load(g->scores + (n * vectors + v) * SIMD_LANES);
                vec next = vec_fma(vec_set1(chunk->v[n * chunk->v_row + c]), weight, sum);
                sum = vec_select(vec_equal(change, masked), sum, next);
            }
            vec_store(o, sum);
        }
    }
}

/* Whether a group's query sees key n of the chunk. */
static bool is_seen(int vectors, int64_t stride, const forward_chunk *chunk, const lane_group *g, int64_t n)
{
    vmask unseen = mask_first(SIMD_LANES);
    for (int v = 0; v < vectors; v++) {
        vec change = vec_load(chunk->modification + n * stride + g->first + v * SIMD_LANES);
        unseen = mask_and(unseen, vec_equal(change, vec_set1(-INFINITY)));
    }
    return mask_any(mask_not(unseen));
}

/* The chunk without the keys at its ends that none of the group's queries sees. */
static forward_chunk trimmed(int vectors, const forward_block *block, const forward_chunk *chunk, const lane_group *g)
{
    int64_t stride = block_vectors(block) * SIMD_LANES, first = 0, last = chunk->keys;
    while (first < last && !is_seen(vectors, stride, chunk, g, first)) first++;
    while (first < last && !is_seen(vectors, stride, chunk, g, last - 1)) last--;
    forward_chunk part = *chunk;
    part.k += first * chunk->k_row;
    part.v += first * chunk->v_row;
    part.key += first;
    part.keys = last - first;
    part.modification += first * stride;
    if (part.dropout) part.dropout += first * stride;
    return part;
}

/* `vectors` of a group of `width`. */
INLINE void step_part(const int vectors, const int width, const forward_block *block, const forward_chunk *whole,
                      const lane_group *g, bool finite)
{
    forward_chunk part = whole->modification ? trimmed(vectors, block, whole, g) : *whole;
    vec most[GROUP], shrink[GROUP];
    for (int v = 0; v < vectors; v++) most[v] = vec_set1(-INFINITY);
    if (!part.keys) return;
    score_chunk(vectors, width, block, &part, g, most);
    if (part.modification || block->softcap > 0 || block->function.call) modify_chunk(vectors, block, &part, g, most);
    weigh_chunk(vectors, &part, g, most, shrink);
    if (part.dropout) drop_chunk(vectors, block, &part, g);
    if (finite)
        value_chunk(vectors, width, block, &part, g, shrink);
    else
        value_chunk_selected(vectors, width, block, &part, g, shrink);
}

static void step_1(const forward_block *block, const forward_chunk *chunk, const lane_group *g, bool finite)
{
    step_part(1, 1, block, chunk, g, finite);
}

static void step_2(const forward_block *block, const forward_chunk *chunk, const lane_group *g, bool finite)
{
    step_part(2, 2, block, chunk, g, finite);
}

#if GROUP == 4
static void step_3(const forward_block *block, const forward_chunk *chunk, const lane_group *g, bool finite)
{
    step_part(3, 3, block, chunk, g, finite);
}

static void step_4(const forward_block *block, const forward_chunk *chunk, const lane_group *g, bool finite)
{
    step_part(4, 4, block, chunk, g, finite);
}

static void step_halves(const forward_block *block, const forward_chunk *chunk, const lane_group *g, bool finite)
{
    for (int v = 0; v < 4; v += 2) {
        int64_t lane = v * SIMD_LANES;
        lane_group half = *g;
        half.first += lane, half.q += lane, half.o += lane, half.largest += lane, half.sum += lane;
        step_part(2, 4, block, chunk, &half, finite);
    }
}
#endif

void SIMD_NAMED(forward_lanes_step)(const forward_block *block, const forward_chunk *chunk)
{
    bool finite = !chunk->modification || values_are_finite(block, chunk);
    int64_t vectors = block_vectors(block);
    for (int64_t vector = 0; vector < vectors; vector += GROUP) {
        lane_group g = group_at(block, vector);
        if (g.vectors == 1) step_1(block, chunk, &g, finite);
        if (g.vectors == 2) step_2(block, chunk, &g, finite);
#if GROUP == 4
        if (g.vectors == 3) step_3(block, chunk, &g, finite);
        if (g.vectors == 4) (chunk->modification ? step_halves : step_4)(block, chunk, &g, finite);
#endif
    }
}
