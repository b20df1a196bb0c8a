/* Few queries of the heads that share a key head, over one chunk of keys, each row of which is read once for all of
 * them: what an item of decoding is, and what forward does chunk after chunk where a sequence has few queries. Keys
 * stand in a cache. The bits of a row depend on neither the other rows nor who asks. A worker's piece of the workspace:
 *
 *     [kernel's scratch | modification | rows of Q made fp32 | rows of K | rows of V | their scales] */
#ifndef ATTENTION_FEW_QUERIES_H
#define ATTENTION_FEW_QUERIES_H

#include "attention/visible.h"
#include "attn/attn.h"
#include "kernels/kernels.h"

typedef struct few_queries {
    const kernel_table *table;
    bool near, far;                                             /* K and V of the call are few, or many */
    size_t modification, q, k_rows, v_rows, k_scales, v_scales; /* offsets into a piece, in bytes */
} few_queries;

/* Lays a piece out for d's queries, so many rows at once, and keys of this type; its bytes join *bytes. False when it
 * does not fit. */
bool few_queries_plan(few_queries *x, const attn_desc *d, attn_dtype keys, int64_t rows, size_t *bytes);

/* Tells how far K and V of so many keys of every sequence and key head are. */
void few_queries_measure(few_queries *x, const attn_desc *d, attn_dtype keys, double count);

/* All queries of heads head .. head + heads - 1 of sequence b, which share a key head and together have as many rows as
 * were planned at most. The chunk's keys are those from `first`, a multiple of DECODE_CHUNK, on. */
typedef struct few_place {
    const attn_desc *d;
    const attn_cache *c;
    int64_t b, head, heads, first;
    key_range seen; /* by any of the sequence's queries */
} few_place;

/* Where head n's query i has its O, divided by its sum, its largest score and its sum, as decode_chunk.h has them. */
typedef struct few_part {
    float *o, *largest, *sum;
    int64_t o_head, o_row, sum_head, sum_row;
} few_part;

/* Writes the part that the chunk gives. O is not written where the chunk leaves no row any key: then all sums are 0. */
void few_queries_run(const few_queries *x, const few_place *place, const few_part *part, char *piece);

#endif
