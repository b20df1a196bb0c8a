/* Every kernel's contract, and the table through which the operator calls them.
 *
 * A kernel knows tiles, not descriptors: it reads and writes plain arrays whose sizes its arguments give, allocates
 * nothing, keeps no state, and computes the same bits whichever worker runs it. Its body is one C file over simd.h,
 * built once per instruction set; the function f becomes f_scalar, f_avx2, f_avx512 and f_neon. */
#ifndef KERNELS_KERNELS_H
#define KERNELS_KERNELS_H

#include "cpu/cpu.h"
#include "kernels/backward_tile.h"
#include "kernels/decode_chunk.h"
#include "kernels/double_tile.h"
#include "kernels/dropout.h"
#include "kernels/lines_ahead.h"
#include "kernels/score_function.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Runs `rounds` rounds of independent fused multiply-adds on registers alone and returns how many floating-point
 * operations that was: what the best possible kernel could reach in the same time. `sink` receives a number that
 * depends on every one of them, so that none is optimised away. tanh_peak counts hyperbolic tangents, each with its
 * multiply-add: the same for additive scores; pairs_peak the products of pairs of bf16. */
typedef double peak_kernel(int64_t rounds, float *sink);

/* Reads `count` floats once, in order, by vector loads and additions alone: how fast memory, or a cache, gives them.
 * `sink` receives a number that depends on every one. */
typedef void read_kernel(const float *x, int64_t count, float *sink);

/* Forward attention of one block of queries of one head, key chunk by key chunk:
 *
 *     begin(block); for each chunk of keys: step(block, chunk); finish(block)
 *
 * keeps for each query the largest score m so far, the sum l of exp(score - m), and the row O of exp(score - m) V, not
 * yet divided by l (Dao et al., "FlashAttention", 2022, algorithm 1). Two layouts compute it: queries in lanes, for a
 * block of up to FORWARD_LANE_QUERIES, and in rows, for up to FORWARD_ROW_QUERIES, which also gives additive scores
 * (additive_score.h). They differ in the layout of
 * scores, modification and dropout: element (query m, key n) stands at [n * query_stride + m] in lanes, where
 * query_stride is queries rounded up to a multiple of the kernels' lanes, and at [m * FORWARD_CHUNK + n] in rows. */
#define FORWARD_CHUNK 128       /* keys in a chunk, at most */
#define FORWARD_LANE_QUERIES 64 /* a multiple of every instruction set's lanes */
#define FORWARD_ROW_QUERIES 4

typedef struct forward_block {
    int64_t queries, D, DV;
    float scale, softcap;   /* softcap 0: none */
    const float *q;         /* [query * q_row + d] */
    const uint16_t *q_bf16; /* in forward_pairs, in place of q */
    int64_t q_row;
    const float *score_vector; /* additive scores by this vector of D, in rows alone; NULL: scaled products */
    const float *sink;         /* one more score, without a value, that joins the sum; NULL: none */
    float *o;                  /* [query * o_row + c], written by finish */
    int64_t o_row;
    float *lse; /* [query * lse_row], written by finish unless NULL */
    int64_t lse_row;
    score_function function; /* of the capped scores */
    float *scratch;          /* 64-byte aligned; in lanes, forward_lanes_scratch floats, in rows forward_rows_scratch */
} forward_block;

typedef struct forward_chunk {
    const float *k, *v;      /* [key * k_row + d], [key * v_row + c] */
    const uint16_t *k_bf16;  /* in forward_pairs, in place of k: as it stands, or by pack_keys */
    const uint32_t *v_pairs; /* likewise of v, by pack_values: as pair_rows gives it, or in tiles */
    int64_t k_row, v_row;
    int64_t key;          /* the first one's number, for the function */
    int64_t keys;         /* 1 .. FORWARD_CHUNK */
    float *modification;  /* added to the capped scores, -inf masks; NULL: none; in lanes a step may overwrite it */
    bool masked;          /* whether some modification is -inf; false promises that none is */
    const uint64_t *seen; /* in lanes, in place of a modification: query m sees key n if bit m of seen[n] is set */
    const float *dropout; /* multiplies the weights after they are summed; NULL: none */
    lines_ahead *ahead;   /* what to ask for meanwhile; tiles, and queries in rows, pass it over */
} forward_chunk;

/* What a block begins with: its sink as the largest score, and the sum exp(sink - sink), which is 1 for a number; in
 * lanes by the factor of the keys' weights (lane_group.h). */
static inline float forward_sink(const forward_block *block)
{
    return block->sink ? *block->sink : -INFINITY;
}

static inline float forward_sink_sum(float sink)
{
    return sink == -INFINITY ? 0 : 1 + (sink - sink);
}

/* The first n of a word's bits. */
static inline uint64_t first_bits(int64_t n)
{
    return n <= 0 ? 0 : n >= 64 ? UINT64_MAX : ((uint64_t)1 << n) - 1;
}

typedef void forward_begin_kernel(const forward_block *block);
typedef void forward_step_kernel(const forward_block *block, const forward_chunk *chunk);
typedef void forward_finish_kernel(const forward_block *block);

/* Rows of bf16 by pairs, the first of two rows in the low half of each word, 0 beside the last of an odd count: row n
 * and n + 1 at rows + n * row and after that, n even, to [n / 2 * columns + c]. pack_keys and pack_values take the same
 * and lay a chunk out as forward_pairs wants it, in at most FORWARD_CHUNK rows of staged floats (staged_rows.h); where
 * that is in tiles, forward_tiles.c tells how. pack_rows lays BACKWARD_QUERIES rows at most out as backward_pairs'
 * products want them; in tiles, backward_tiles_products.c tells how. */
typedef void pair_rows_kernel(const uint16_t *rows, int64_t row, int64_t count, int64_t columns, uint32_t *to);

typedef struct forward_kernels {
    forward_begin_kernel *begin;
    forward_step_kernel *step;
    forward_finish_kernel *finish;
    int lanes; /* what queries in lanes are rounded up to a multiple of */
} forward_kernels;

/* Floats of scratch that a block needs; it must be known that they fit. */
static inline size_t forward_lanes_scratch(size_t D, size_t DV)
{
    const size_t tile = 32; /* forward_tiles.c */
    D = (D + tile - 1) / tile * tile, DV = (DV + tile - 1) / tile * tile;
    return FORWARD_LANE_QUERIES * (D + DV + 2 + FORWARD_CHUNK);
}

static inline size_t forward_rows_scratch(size_t DV)
{
    return FORWARD_ROW_QUERIES * (DV + 2 + FORWARD_CHUNK);
}

/* Forward attention of one query in several heads, whose queries, keys, values and results lie beside each other, to
 * keys that all are seen: what forward_rows gives of each head, to the bit. */
typedef struct forward_heads {
    int64_t heads, keys, D, DV; /* keys: 0 .. FORWARD_CHUNK; DV a multiple of the lanes */
    float scale, softcap;       /* softcap 0: none */
    const float *q;             /* [head * D + d] */
    const float *k, *v;         /* [key * k_row + head * D + d], [key * v_row + head * DV + c] */
    int64_t k_row, v_row;
    float *o;   /* [head * DV + c] */
    float *lse; /* [head * lse_head]; NULL: not wanted */
    int64_t lse_head;
    float *scratch; /* 64-byte aligned, (FORWARD_CHUNK + 1) floats for each head */
} forward_heads;

typedef void forward_heads_kernel(const forward_heads *x);

/* What mask, bias and distance add to the scores of a tile of queries and keys: -inf where mask has a 0 byte, else the
 * bias, or 0 without one, less slope times the distance |distance + m - n|; for query m and key n into
 * out[m * query_step + n * key_step], one of whose steps is 1. Which of them are not -inf: none, some or all. */
typedef struct modification_tile {
    int64_t queries, keys;
    const uint8_t *mask; /* [m * mask_row + n * mask_column], or NULL */
    int64_t mask_row, mask_column;
    const float *bias; /* likewise */
    int64_t bias_row, bias_column;
    float *out;
    int64_t query_step, key_step;
    float slope;      /* 0: no distances */
    int64_t distance; /* of query 0's position from key 0 */
} modification_tile;

typedef attn_tile_kept modification_kernel(const modification_tile *tile);

/* A boolean mask's bytes for up to 64 queries as bits: bit m of seen[n] tells whether that of query m and key n is not
 * 0. Bits behind the queries' may be anything. */
typedef struct seen_tile {
    int64_t queries, keys;
    const uint8_t *mask; /* [m * mask_row + n * mask_column] */
    int64_t mask_row, mask_column;
    uint64_t *seen;
} seen_tile;

typedef void seen_kernel(const seen_tile *tile);

/* Masks what causal and window leave out of a tile with queries in lanes: key n is seen by queries first + n to
 * last + n - 1 alone, for all others out[m + n * key_step] becomes -inf. What is seen keeps its modification, or with
 * `alone` gets 0. Sizes and bounds are within 2^20 either way, so that they are exact as floats. */
typedef struct cut_tile {
    int64_t queries, keys, first, last;
    float *out;
    int64_t key_step;
    bool alone;
} cut_tile;

typedef void cut_kernel(const cut_tile *tile);

/* What dropout multiplies the weights of queries query .. query + queries - 1 and keys key .. key + keys - 1 by, 0 or
 * draw->kept_factor, into factors[m * query_step + n * key_step] for query + m and key + n. Fastest with
 * query_step 1, queries in lanes. */
typedef struct dropout_tile {
    int64_t query, queries, key, keys;
    float *factors;
    int64_t query_step, key_step;
} dropout_tile;

typedef void dropout_factors_kernel(const dropout_draw *draw, const dropout_tile *tile);

/* Rows of 16-bit floats, bf16 or fp16, and the same rows in fp32. widen_rows makes elements fp32, exactly; narrow_rows
 * makes floats the elements' type, rounded to nearest, ties to even, a NaN quiet. Nothing is read or written between
 * the rows or behind them. */
typedef struct element_rows {
    attn_dtype type;
    int64_t count, columns;
    void *elements; /* [n * elements_row + c]; widen_rows only reads them */
    int64_t elements_row;
    float *floats; /* [n * floats_row + c]; narrow_rows only reads them */
    int64_t floats_row;
} element_rows;

typedef void widen_rows_kernel(const element_rows *rows);
typedef void narrow_rows_kernel(const element_rows *rows);

typedef struct kernel_table {
    cpu_level level; /* of the widest kernel in the table */
    int lanes;       /* floats in a vector */
    peak_kernel *peak, *tanh_peak;
    peak_kernel *pairs_peak; /* of products of pairs of bf16; NULL where the CPU has none */
    peak_kernel *tiles_peak; /* of products of tiles of bf16; likewise */
    read_kernel *read;
    dropout_factors_kernel *dropout_factors;
    modification_kernel *modification;
    seen_kernel *seen;
    cut_kernel *cut;
    widen_rows_kernel *widen_rows;
    narrow_rows_kernel *narrow_rows;
    forward_kernels forward_lanes, forward_rows;
    forward_heads_kernel *forward_heads;
    forward_kernels forward_pairs; /* in lanes, on bf16; NULLs where the CPU has no products of pairs */
    pair_rows_kernel *pack_keys;   /* for it, and K and V for backward_pairs; NULL: they take them as they stand */
    pair_rows_kernel *pack_values; /* for forward_pairs */
    pair_rows_kernel *pack_rows;   /* for backward_pairs */
    backward_kernels backward;
    backward_kernels backward_pairs;   /* on bf16, but for rows_finite; NULLs where the CPU has no products of pairs */
    pairs_finite_kernel *pairs_finite; /* likewise */
    double_kernels double_backward;
    decode_chunk_kernel *decode_chunk;
    decode_chunk_kernel *decode_pairs; /* on Q of bf16, K and V of bf16; likewise */
    decode_chunk_kernel *decode_bytes; /* on Q of bf16, K and V of int8; likewise */
} kernel_table;

/* Puts one instruction set's kernels into the table, over those that are there (kernel_set.c). */
typedef void kernel_set(kernel_table *table);

/* The table for a CPU of this level: C first, each instruction set overriding. */
void kernels_fill(kernel_table *table, cpu_level level);

/* The table of this machine's level, capped by ATTN_CPU; filled once. Safe from any thread. */
const kernel_table *kernels_table(void);

#endif
