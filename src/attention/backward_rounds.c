#include "attention/backward_rounds.h"

#include "attention/backward_parts.h"
#include "attention/elements.h"
#include "attention/sequence.h"
#include "base/order.h"
#include "base/parallel.h"

#include <string.h>

void backward_zero_rows(const attn_output *out, int64_t b, int64_t h, int64_t first, int64_t last, int64_t columns)
{
    if (!out->data || !columns) return;
    for (int64_t row = first; row < last; row++) memset(output_at(out, b, h, row), 0, (size_t)columns * sizeof(float));
}

static void zero_gradients(const backward_pair *x)
{
    const attn_desc *d = x->d;
    if (x->zeroes_keys) {
        backward_zero_rows(&d->grad_k, x->b, x->key_head, x->first_key, x->last_key, d->D);
        backward_zero_rows(&d->grad_v, x->b, x->key_head, x->first_key, x->last_key, d->DV);
    }
    if (x->begins) backward_zero_rows(&d->grad_q, x->b, x->h, x->first_query, x->last_query, d->D);
}

void backward_pair_find(backward_pair *x, const backward_plan *plan, int64_t task)
{
    const int64_t pairs = plan->pairs, group = plan->d->H / plan->d->HK, shift = plan->round % pairs;
    const int64_t piece = task % plan->pieces, b = backward_sequence(plan, piece);
    const int64_t first_piece = backward_first_piece(plan, b), key_chunk = piece - first_piece;
    *x = (backward_pair){.b = b, .key_head = task / plan->pieces, .key_piece = piece, .begins = shift == 0};
    x->d = sequence_read(plan->d, b, &x->own);
    x->h = x->key_head * group + plan->round / pairs;
    if (key_chunk >= pairs) return; /* a piece of nobody */
    const int64_t query_chunk = (key_chunk + shift) % pairs;
    x->query_piece = first_piece + query_chunk;
    x->first_key = key_chunk * plan->chunk, x->last_key = least(x->d->S, x->first_key + plan->chunk);
    x->first_query = query_chunk * plan->chunk, x->last_query = least(x->d->T, x->first_query + plan->chunk);
    /* One query's additive scores: each key head's first query head meets each key once, and writes. */
    const bool single = plan->d->score == ATTN_SCORE_ADDITIVE && x->d->T == 1;
    x->writes_keys = single && query_chunk == 0 && plan->round < pairs;
    x->zeroes_keys = plan->round == 0 && !single;
}

void backward_pair_begin(backward_pair *x, const backward_plan *plan, int64_t task)
{
    backward_pair_find(x, plan, task);
    zero_gradients(x);
}

void backward_rounds(backward_plan *plan, attn_task task, void *argument)
{
    const attn_desc *d = plan->d;
    const int64_t heads = d->T ? d->H / d->HK : 1; /* without queries only keys' rows are zeroed, by the first */
    for (plan->round = 0; plan->round < plan->pairs * heads; plan->round++)
        parallel_run(&d->parallel, d->HK * plan->pieces, task, argument);
}
