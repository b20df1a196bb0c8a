#include "attention/backward_ahead.h"

#include "attention/sequence.h"
#include "attention/view_ahead.h"
#include "attention/visible.h"
#include "base/parallel.h"

/* With 32 MB of third cache calls of 17 MB lose 0.03 of their time by asking, of 21 MB nothing, of 25 they gain 0.05,
 * of 33 a fifth, of 67 a third (bench_attention). */
#define FAR_BYTES (5 << 22)

bool backward_ahead_pays(const attn_desc *d)
{
    const double queries = (double)d->H * (double)d->T * (double)sequence_query_batches(d),
                 keys = (double)d->HK * (double)d->S * (double)sequence_key_batches(d);
    const double D = (double)d->D, DV = (double)d->DV, size = (double)element_size(d->dtype);
    const double read = size * (queries * (D + 2 * DV) + keys * (D + DV));
    const double written = sizeof(float) * ((d->grad_q.data ? queries * D : 0) + (d->grad_k.data ? keys * D : 0) +
                                            (d->grad_v.data ? keys * DV : 0));
    return read + written >= FAR_BYTES;
}

static bool sees_any(const backward_pair *x)
{
    if (backward_pair_is_empty(x)) return false;
    const key_range keys = visible_keys_of(x->d, x->b, x->first_query, x->last_query - x->first_query);
    return keys.first < x->last_key && keys.last > x->first_key;
}

void backward_ahead_find(lines_ahead *ahead, const backward_plan *plan, int64_t task)
{
    backward_pair x;
    ahead->line = 0, ahead->count = 0;
    task += parallel_workers(&plan->d->parallel);
    if (task >= plan->d->HK * plan->pieces) return;
    backward_pair_find(&x, plan, task);
    if (!sees_any(&x)) return;
    const attn_desc *d = x.d;
    const int64_t queries = x.last_query - x.first_query, keys = x.last_key - x.first_key;
    view_ahead_add(ahead, d->dtype, &d->v, x.b, x.key_head, x.first_key, keys, d->DV);
    output_ahead_add(ahead, ATTN_DTYPE_F32, &d->grad_v, x.b, x.key_head, x.first_key, keys, d->DV);
    output_ahead_add(ahead, ATTN_DTYPE_F32, &d->grad_k, x.b, x.key_head, x.first_key, keys, d->D);
    output_ahead_add(ahead, ATTN_DTYPE_F32, &d->grad_q, x.b, x.h, x.first_query, queries, d->D);
    view_ahead_add(ahead, d->dtype, &d->k, x.b, x.key_head, x.first_key, keys, d->D);
    view_ahead_add(ahead, d->dtype, &d->q, x.b, x.h, x.first_query, queries, d->D);
    output_ahead_add(ahead, d->dtype, &d->o, x.b, x.h, x.first_query, queries, d->DV);
    view_ahead_add(ahead, d->dtype, &d->grad_o, x.b, x.h, x.first_query, queries, d->DV);
    lines_ahead_turn(ahead);
}
