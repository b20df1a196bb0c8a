/* The contract of decoding's kernel: few queries, of all the heads that share a key head, over one chunk of keys.
 *
 *              D                        keys
 *     rows  |  Q  |  .  K^T  ->  rows  |  P  |  .  V  ->  rows |  O  |,  each row's largest score, and its weights' sum
 *
 * Row m is query m % queries of head m / queries. All rows together read each row of K and V once, from wherever it
 * lies: a page is any number of keys. A chunk knows nothing of the others; their results are merged (merge.h). */
#ifndef KERNELS_DECODE_CHUNK_H
#define KERNELS_DECODE_CHUNK_H

#include "attn/attn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DECODE_CHUNK 512               /* keys in a chunk, at most */
#define DECODE_ROWS 64                 /* rows, at most */
#define ROWS_AHEAD 64                  /* rows between one that is read and one that is asked for, at most */
#define DECODE_SPARE (ROWS_AHEAD + 16) /* rows behind a chunk's: for a vector of keys that ends behind the last */
#define DECODE_BLOCK 32                /* keys whose rows are used by all queries while they are near the core */
#define BYTES_MOST_D 512               /* of decode_bytes */
#define BYTES_MOST_DV 256              /* likewise */

typedef struct decode_chunk {
    int64_t heads, queries, keys; /* each at least 1 */
    int64_t D, DV;
    float scale, softcap; /* softcap 0: none */
    bool near;            /* K and V of the call fit the second cache: memory is not asked for rows ahead */
    bool far;             /* they come from memory itself */
    const float *q;       /* [head * q_head + query * q_row + d] */
    int64_t q_head, q_row;
    const uint16_t *q_bf16;    /* in decode_pairs and decode_bytes, in place of q */
    attn_dtype type;           /* of K and V: fp32, bf16, fp16 or int8, made fp32 as they are read, exactly */
    const void *const *k;      /* [key][d]; behind them DECODE_SPARE more rows that may be read */
    const void *const *v;      /* [key][c]; behind them as many addresses of what is wanted next, the next chunk's K */
    const float *k_scales;     /* [key], multiply the scores; NULL: none */
    const float *v_scales;     /* [key], multiply the weights after they are summed; NULL: none */
    const float *modification; /* [row * DECODE_CHUNK + key], added to the capped scores, -inf masks; NULL: none */
    float *o;                  /* [head * o_head + query * o_row + c], written */
    int64_t o_head, o_row;
    float *largest; /* score of a row: [head * sum_head + query * sum_row], written; -inf: it has no key left */
    float *sum;     /* of exp(score - largest) over the chunk's keys: likewise; then 0 */
    int64_t sum_head, sum_row;
    float *scratch; /* 64-byte aligned, decode_scratch floats */
} decode_chunk;

typedef void decode_chunk_kernel(const decode_chunk *chunk);

/* Floats of scratch for so many rows. */
static inline size_t decode_scratch(size_t rows)
{
    return rows * DECODE_CHUNK;
}

#endif
