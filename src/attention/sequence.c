#include "attention/sequence.h"

#include "attention/elements.h"

#include <stddef.h>

void sequence_move_view(attn_view *view, attn_dtype type, int64_t rows)
{
    if (view->data) view->data = (const char *)view->data + rows * view->row * element_size(type);
    view->batch = 0;
}

void sequence_move_output(attn_output *view, attn_dtype type, int64_t rows)
{
    if (view->data) view->data = (char *)view->data + rows * view->row * element_size(type);
    view->batch = 0;
}

const attn_desc *sequence_read(const attn_desc *d, int64_t b, attn_desc *own)
{
    if (!sequence_packed(d)) return d;
    *own = *d;
    if (d->query_starts) {
        int64_t first = d->query_starts[b];
        own->T = d->query_starts[b + 1] - first;
        sequence_move_view(&own->q, d->dtype, first);
        sequence_move_output(&own->o, d->dtype, first);
        sequence_move_output(&own->lse, sum_type(d->dtype), first);
        sequence_move_view(&own->grad_o, d->dtype, first);
        sequence_move_view(&own->grad_lse, sum_type(d->dtype), first);
        sequence_move_output(&own->grad_q, sum_type(d->dtype), first);
    }
    if (d->key_starts) {
        int64_t first = d->key_starts[b];
        own->S = d->key_starts[b + 1] - first;
        sequence_move_view(&own->k, d->dtype, first);
        sequence_move_view(&own->v, d->dtype, first);
        sequence_move_output(&own->grad_k, sum_type(d->dtype), first);
        sequence_move_output(&own->grad_v, sum_type(d->dtype), first);
    }
    return own;
}

static int64_t largest(const int64_t *starts, int64_t B, int64_t rows)
{
    if (!starts) return rows;
    int64_t most = 0;
    for (int64_t b = 0; b < B; b++)
        if (starts[b + 1] - starts[b] > most) most = starts[b + 1] - starts[b];
    return most;
}

void sequence_largest(const attn_desc *d, int64_t *T, int64_t *S)
{
    *T = largest(d->query_starts, d->B, d->T);
    *S = largest(d->key_starts, d->B, d->S);
}

/* Rows before sequence b. The last start is taken to be where the array ends, so that nothing has to be read to know
 * how many pieces there are; the first to be 0, so that what lies before it, like all that is left over, comes behind
 * some sequence's own pieces. */
static int64_t start(const int64_t *starts, int64_t B, int64_t rows, int64_t b)
{
    if (!starts) return b * rows;
    return b == B ? rows : b ? starts[b] : 0;
}

int64_t sequence_query_pieces(const attn_desc *d, int64_t b, int64_t size)
{
    return start(d->query_starts, d->B, d->T, b) / size + b;
}

int64_t sequence_pair_pieces(const attn_desc *d, int64_t b, int64_t size)
{
    return start(d->key_starts, d->B, d->S, b) / size + b + sequence_query_pieces(d, b, size);
}

int64_t sequence_of_piece(const attn_desc *d, sequence_pieces *first, int64_t size, int64_t piece)
{
    int64_t low = 0, high = d->B; /* first(low) <= piece < first(high) */
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (first(d, middle, size) <= piece)
            low = middle;
        else
            high = middle;
    }
    return low;
}
