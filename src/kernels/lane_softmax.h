/* What both products of queries in lanes have between them, for one chunk of keys: caps and masks, the softmax so far,
 * and how groups and tiles are cut. Built for one instruction set, like simd.h. */
#ifndef KERNELS_LANE_SOFTMAX_H
#define KERNELS_LANE_SOFTMAX_H

#include "kernels/lane_group.h"
#include "kernels/simd_math.h"
#include "kernels/soft_cap.h"

#include <math.h>

/* A register tile holds ROWS(vectors) keys (or columns of V) of `vectors` vectors of queries: as many sums as leave
 * room for the queries' vectors and one broadcast. */
#if SIMD_REGISTERS >= 32
#define ROWS(vectors) ((vectors) == 4 ? 6 : 8)
#else
#define ROWS(vectors) ((vectors) == 2 ? 6 : 8)
#endif

/* How many rows the next tile takes of those left: whole tiles, then two halves rather than a whole and a sliver. */
INLINE int64_t next_rows(const int whole, int64_t left)
{
    return left >= 2 * whole ? whole : left > whole ? (left + 1) / 2 : left;
}

static inline void cap_chunk(int vectors, const forward_block *block, const forward_chunk *chunk, const lane_group *g)
{
    const soft_cap cap = soft_cap_of(block->softcap);
    for (int64_t n = 0; n < chunk->keys * vectors; n++) {
        float *at = g->scores + n * SIMD_LANES;
        vec_store(at, soft_capped(&cap, vec_load(at)));
    }
}

/* The caller's function, on the scores of the group's queries. */
static inline void call_function(int vectors, const forward_block *block, const forward_chunk *chunk,
                                 const lane_group *g)
{
    int64_t lanes = (int64_t)vectors * SIMD_LANES, left = block->queries - g->first;
    if (block->softcap > 0) cap_chunk(vectors, block, chunk, g);
    score_function_call(&block->function, g->first, left < lanes ? left : lanes, chunk->key, chunk->keys, g->scores,
                        NULL, 1, lanes);
}

/* Of queries from `query` on, in lanes, which see key n of a masked chunk. */
INLINE vmask seeing(const forward_chunk *chunk, int64_t stride, int64_t n, int64_t query)
{
    if (chunk->seen) return mask_of_bits(chunk->seen[n] >> query);
    return mask_not(vec_equal(vec_load(chunk->modification + n * stride + query), vec_set1(-INFINITY)));
}

static inline bool is_modified(const forward_chunk *chunk)
{
    return chunk->modification || chunk->seen;
}

/* Scores [rows][width] of queries from `query` on, -inf where a bit of the rows' keys is not set. */
INLINE void mask_unseen(const int rows, const int vectors, const int width, const uint64_t *seen, int64_t query,
                        vec *scores)
{
    const uint64_t all = first_bits(vectors * SIMD_LANES) << query;
    uint64_t kept = all;
#pragma GCC unroll 8
    for (int row = 0; row < rows; row++) kept &= seen[row];
    if (kept == all) return;
#pragma GCC unroll 8
    for (int row = 0; row < rows; row++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            const vmask keep = mask_of_bits(seen[row] >> (query + v * SIMD_LANES));
            scores[row * width + v] = vec_select(keep, scores[row * width + v], vec_set1(-INFINITY));
        }
}

/* Whether the scores have to be bent before anything is added to them. */
static inline bool bends(const forward_block *block)
{
    return block->softcap > 0 || block->function.call;
}

/* Caps the scores and adds the modification, masks; the largest of what is left into most. */
INLINE void modify_keys(const bool capped, const bool modified, const int vectors, const forward_block *block,
                        const forward_chunk *chunk, const lane_group *g, vec most[GROUP])
{
    const int64_t stride = block_vectors(block) * SIMD_LANES;
    const vec masked = vec_set1(-INFINITY);
    const soft_cap cap = soft_cap_of(block->softcap);
    vec largest[GROUP];
    for (int v = 0; v < vectors; v++) largest[v] = masked;
    for (int64_t n = 0; n < chunk->keys; n++) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            float *at = g->scores + (n * vectors + v) * SIMD_LANES;
            const int64_t query = g->first + v * SIMD_LANES;
            vec s = vec_load(at);
            if (capped) s = soft_capped(&cap, s);
            if (modified && chunk->modification) s = vec_add(s, vec_load(chunk->modification + n * stride + query));
            if (modified) s = vec_select(seeing(chunk, stride, n, query), s, masked);
            vec_store(at, s);
            largest[v] = vec_max(s, largest[v]);
        }
    }
    for (int v = 0; v < vectors; v++) most[v] = largest[v];
}

/* The same after the caller's function, if there is one, was applied to the capped scores. */
INLINE void modify_chunk(const int vectors, const forward_block *block, const forward_chunk *chunk, const lane_group *g,
                         vec most[GROUP])
{
    const bool called = block->function.call != NULL;
    if (called) call_function(vectors, block, chunk, g);
    if (is_modified(chunk))
        modify_keys(!called && block->softcap > 0, true, vectors, block, chunk, g, most);
    else if (called)
        modify_keys(false, false, vectors, block, chunk, g, most);
    else
        modify_keys(true, false, vectors, block, chunk, g, most);
}

/* What raise_largest does besides where some query's largest score is far, or was `before`: scores are made less that
 * exactly, in place, base 0, and sum and O are shrunk by the exact difference. */
static __attribute__((noinline)) void raise_far(int vectors, const lane_group *g, int64_t keys, const vec before[GROUP],
                                                vec base[GROUP], vec shrink[GROUP])
{
    const vec scale = vec_set1(LOG2_E), zero = vec_zero();
    for (int v = 0; v < vectors; v++) {
        const vec largest = vec_load(g->largest + v * SIMD_LANES);
        const vmask far = is_far(largest), was = is_far(before[v]), none = vec_equal(before[v], vec_set1(-INFINITY));
        const vec from_far = vec_mul(vec_sub(before[v], largest), scale);
        const vec from_near = vec_fma(vec_sub(zero, largest), scale, vec_mul(before[v], scale));
        const vec to_near = vec_fma(before[v], scale, base[v]);
        const vec change = vec_select(far, vec_select(mask_or(was, none), from_far, from_near), to_near);
        shrink[v] = vec_select(mask_or(far, was), vec_exp2(change), shrink[v]);
        base[v] = vec_select(far, zero, base[v]);
        for (int64_t n = 0; n < keys; n++) {
            float *at = g->scores + (n * vectors + v) * SIMD_LANES;
            vec_store(at, vec_select(far, vec_sub(vec_load(at), largest), vec_load(at)));
        }
    }
}

/* Each query's largest score so far is raised to the chunk's, of so many keys, its negative goes into base, in powers
 * of 2, and what sum and O so far must be multiplied by into shrink. */
INLINE void raise_largest(const int vectors, const lane_group *g, int64_t keys, const vec most[GROUP], vec base[GROUP],
                          vec shrink[GROUP])
{
    const vec none = vec_set1(-INFINITY), scale = vec_set1(LOG2_E);
    vec before[GROUP];
    vmask far = mask_first(0);
    for (int v = 0; v < vectors; v++) {
        before[v] = vec_load(g->largest + v * SIMD_LANES);
        const vec largest = vec_max(most[v], before[v]);
        /* A row without any key yet has largest -inf, and -inf - -inf is NaN. */
        base[v] = vec_select(vec_equal(largest, none), vec_zero(), vec_mul(largest, scale));
        shrink[v] = vec_exp2(vec_sub(vec_mul(before[v], scale), base[v]));
        vec_store(g->largest + v * SIMD_LANES, largest);
        base[v] = vec_sub(vec_zero(), base[v]);
        far = mask_or(far, mask_or(is_far(largest), is_far(before[v])));
    }
    if (mask_any(far)) raise_far(vectors, g, keys, before, base, shrink);
}

/* The chunk's sums of weights join those so far. */
INLINE void add_sums(const int vectors, const lane_group *g, const vec shrink[GROUP], const vec sum[GROUP])
{
    for (int v = 0; v < vectors; v++) {
        float *at = g->sum + v * SIMD_LANES;
        vec_store(at, vec_fma(vec_load(at), shrink[v], sum[v]));
    }
}

static inline bool is_masked(const forward_chunk *chunk)
{
    return chunk->seen || (chunk->modification && chunk->masked);
}

/* Whether a group's query sees key n of the chunk. */
static inline bool is_seen(int vectors, int64_t stride, const forward_chunk *chunk, const lane_group *g, int64_t n)
{
    if (chunk->seen) return chunk->seen[n] >> g->first & first_bits((int64_t)vectors * SIMD_LANES);
    vmask seen = mask_first(0);
    for (int v = 0; v < vectors; v++) seen = mask_or(seen, seeing(chunk, stride, n, g->first + v * SIMD_LANES));
    return mask_any(seen);
}

/* Whether the sums [rows][width] of so many queries are finite. Then all values in them were, those of masked pairs
 * too.
 */
INLINE bool are_finite(const int rows, const int vectors, const int width, const vec *sum, int64_t queries)
{
    vec nothing[GROUP], all = vec_zero(), zero = vec_zero();
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) nothing[v] = vec_mul(sum[v], zero);
#pragma GCC unroll 8
    for (int row = 1; row < rows; row++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) nothing[v] = vec_fma(sum[row * width + v], zero, nothing[v]);
    const int last = vectors - 1; /* some of its lanes may be nobody's */
    nothing[last] = vec_select(mask_first((int)queries - last * SIMD_LANES), nothing[last], zero);
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) all = vec_add(all, nothing[v]);
    return !mask_any(mask_not(vec_equal(all, zero)));
}

/* The keys of the chunk that lie between the first and the last that a query of the group sees; in whole pairs from the
 * chunk's first on. */
typedef struct key_span {
    int64_t first, last; /* and not including it */
} key_span;

static inline key_span seen_keys(int vectors, const forward_block *block, const forward_chunk *chunk,
                                 const lane_group *g)
{
    key_span span = {0, chunk->keys};
    if (!is_masked(chunk)) return span;
    int64_t stride = block_vectors(block) * SIMD_LANES;
    while (span.first < span.last && !is_seen(vectors, stride, chunk, g, span.first)) span.first++;
    while (span.first < span.last && !is_seen(vectors, stride, chunk, g, span.last - 1)) span.last--;
    if (span.first < span.last) span.first -= span.first % 2;
    return span;
}

/* The chunk's part with those keys, but for K and V. */
static inline forward_chunk chunk_span(const forward_block *block, const forward_chunk *chunk, key_span span)
{
    int64_t stride = block_vectors(block) * SIMD_LANES;
    forward_chunk part = *chunk;
    part.key += span.first;
    part.keys = span.last - span.first;
    if (part.seen) part.seen += span.first;
    if (part.modification) part.modification += span.first * stride;
    if (part.dropout) part.dropout += span.first * stride;
    return part;
}

/* Half of a group, from vector v on. */
static inline lane_group half_group(const lane_group *g, int v)
{
    int64_t lane = (int64_t)v * SIMD_LANES;
    lane_group half = *g;
    half.first += lane, half.q += lane, half.o += lane, half.largest += lane, half.sum += lane;
    return half;
}

/* Whether halves would leave out so much more, together an eighth of both, that they are worth their smaller tiles. */
static inline bool halves_pay(const forward_block *block, const forward_chunk *chunk, const lane_group *g)
{
    const lane_group lower = half_group(g, 0), upper = half_group(g, 2);
    const key_span first = seen_keys(2, block, chunk, &lower), second = seen_keys(2, block, chunk, &upper);
    return 4 * (first.last - first.first + second.last - second.first) <= 7 * chunk->keys;
}

/* One chunk's step for a group of so many vectors; for two halves of a group of four, one after the other. */
typedef void group_step(const forward_block *block, const forward_chunk *chunk, const lane_group *g);

typedef struct group_steps {
    group_step *of[GROUP + 1], *halves;
} group_steps;

/* The step for every group of the block. */
static inline void step_groups(const group_steps *steps, const forward_block *block, const forward_chunk *chunk)
{
    int64_t vectors = block_vectors(block);
    for (int64_t vector = 0; vector < vectors; vector += GROUP) {
        lane_group g = group_at(block, vector);
        const bool halved = g.vectors == 4 && is_masked(chunk) && halves_pay(block, chunk, &g);
        (halved ? steps->halves : steps->of[g.vectors])(block, chunk, &g);
    }
}

#endif
