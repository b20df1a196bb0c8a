/* One sequence of a call by itself, and how packed sequences, each of its own lengths, are cut into tasks.
 *
 * Rows of all sequences are cut in pieces of a fixed size, each sequence from its own first row. Which piece is whose
 * needs no table: sequence b's pieces are numbered from starts[b] / size + b on, the first's from 0, which leaves room
 * for all of them (rounding down the start and up the end costs one), and a search over the sequences finds b again.
 * The numbers left over are pieces of nobody, behind a sequence's own. */
#ifndef ATTENTION_SEQUENCE_H
#define ATTENTION_SEQUENCE_H

#include "attn/attn.h"

static inline bool sequence_packed(const attn_desc *d)
{
    return d->query_starts || d->key_starts;
}

/* The descriptor of a call in which T, S and the arrays of queries and keys are those of sequence b alone: d itself, or
 * *own made so where sequences are packed. Masks, offsets, lengths and dropout's keys are still indexed by b. The
 * gradients of Q, K and V are taken to be fp32, or fp64: backward_sums.h. */
const attn_desc *sequence_read(const attn_desc *d, int64_t b, attn_desc *own);

/* An array in which sequences are packed, as the one that begins so many rows on: without data it has none there. */
void sequence_move_view(attn_view *view, attn_dtype type, int64_t rows);
void sequence_move_output(attn_output *view, attn_dtype type, int64_t rows);

/* The largest T and S of a sequence. */
void sequence_largest(const attn_desc *d, int64_t *T, int64_t *S);

/* How many sequences the arrays of queries, and of keys, are strided over: none where they are packed. */
static inline int64_t sequence_query_batches(const attn_desc *d)
{
    return d->query_starts && d->B ? 1 : d->B;
}

static inline int64_t sequence_key_batches(const attn_desc *d)
{
    return d->key_starts && d->B ? 1 : d->B;
}

/* The number of a sequence's first piece, for b in 0 .. B; that of B is how many there are. A piece is `size` queries,
 * or both `size` queries and `size` keys: then there are pieces for as many as the sequence has of either. */
typedef int64_t sequence_pieces(const attn_desc *d, int64_t b, int64_t size);
sequence_pieces sequence_query_pieces, sequence_pair_pieces;

/* Which sequence a piece belongs to. */
int64_t sequence_of_piece(const attn_desc *d, sequence_pieces *first, int64_t size, int64_t piece);

#endif
