/* Backward: rounds over pairs of chunks (backward_rounds.h), so that a head is shared out and every sum has one order.
 *
 * Gradients of bf16 and fp16 are summed in fp32 and rounded when all rounds are done (backward_sums.h).
 *
 * The gradients of sinks, slopes and additive scores' vector are summed over everything: each chunk of a head adds to a
 * part of its own, round by round (backward_parts.h). A block of queries gives its sink once, where its first key
 * stands, or, if it has none, with the first chunk of keys. */
#include "attention/array_check.h"
#include "attention/backward_ahead.h"
#include "attention/backward_bias.h"
#include "attention/backward_check.h"
#include "attention/backward_parts.h"
#include "attention/backward_rounds.h"
#include "attention/backward_sums.h"
#include "attention/backward_worker.h"
#include "attention/descriptor.h"
#include "attention/elements.h"
#include "attention/f64_row.h"
#include "attention/sequence.h"
#include "attention/visible.h"
#include "base/checked.h"
#include "base/order.h"
#include "base/parallel.h"
#include "base/status.h"

#include <string.h>

/* Where tiles write their keys' rows, those up to `last` that none has met. */
static void write_zeros(backward_worker *w, int64_t key_head, int64_t last)
{
    backward_zero_rows(&w->d->grad_k, w->b, key_head, w->unwritten, last, w->d->D);
    backward_zero_rows(&w->d->grad_v, w->b, key_head, w->unwritten, last, w->d->DV);
    w->unwritten = last;
}

static void add_products(backward_worker *w, int64_t key_head)
{
    const attn_desc *d = w->d;
    backward_tile *t = &w->tile;
    t->grad_q = output_at(&d->grad_q, w->b, w->h, w->first_query);
    t->grad_k = output_at(&d->grad_k, w->b, key_head, w->first_key);
    t->grad_v = output_at(&d->grad_v, w->b, key_head, w->first_key);
    const bool finite = !w->masked || backward_worker_finite(w);
    if (t->writes_keys) write_zeros(w, key_head, finite ? w->first_key : w->first_key + t->keys);
    if (finite)
        w->plan->kernels->products(t);
    else
        backward_masked_products(t);
    w->unwritten = w->first_key + t->keys;
}

/* Keys first .. last - 1 of a tile; what they give the slope into *slope, unless that is NULL. */
static void add_tile(backward_worker *w, int64_t key_head, int64_t first, int64_t last, double *slope)
{
    backward_tile *t = &w->tile;
    if (slope) {
        memset(w->distance_sums, 0, BACKWARD_QUERIES * sizeof(float));
        t->distance_sums = w->distance_sums;
        t->distance = visible_distance(w->d, w->b, w->first_query, first);
    }
    if (!backward_worker_scores(w, first, last - first)) return;
    if (slope) backward_add_slope(w, slope);
    add_products(w, key_head);
}

/* The pair's queries against its keys; what they give their sink and slope into *sink and *slope. */
static void add_pair(backward_worker *w, const backward_pair *x, double *sink, double *slope)
{
    const attn_desc *d = x->d;
    const int64_t b = x->b, h = x->h;
    const int64_t most_queries = w->plan->tile_queries, most_keys = w->plan->tile_keys;
    for (int64_t i = x->first_query; i < x->last_query; i += most_queries) {
        int64_t queries = least(most_queries, x->last_query - i);
        key_range keys = visible_keys_of(d, b, i, queries);
        keys.first = visible_next(d, b, h, i, queries, keys.first);
        if (keys.first >= keys.last && sink && !x->first_key) {
            backward_worker_queries(w, b, h, i, queries);
            backward_add_sink(w, sink);
        }
        if (keys.first >= x->last_key || keys.last <= x->first_key || keys.first >= keys.last) continue;
        int64_t next = visible_next(d, b, h, i, queries, most(keys.first, x->first_key));
        if (next >= least(keys.last, x->last_key)) continue;
        backward_worker_queries(w, b, h, i, queries);
        if (sink && keys.first >= x->first_key) backward_add_sink(w, sink);
        for (int64_t j = x->first_key; j < x->last_key; j += most_keys) {
            /* Tiles keep their places, and so do their steps, so that a range that cuts one changes no bits. */
            int64_t from = most(j, keys.first), to = least(least(j + most_keys, x->last_key), keys.last);
            if (from < to) add_tile(w, x->key_head, from - (from - j) % w->plan->key_step, to, slope);
        }
    }
}

static void backward_task(void *argument, int64_t task, int worker)
{
    const backward_plan *plan = argument;
    backward_pair x;
    backward_pair_begin(&x, plan, task);
    if (x.begins) backward_zero_parts(plan, x.h, x.key_piece);
    double *sink = backward_sink_part(plan, x.h, x.query_piece);
    /* Without keys, a query still has a sink. */
    if (backward_pair_is_empty(&x) && !(sink && !x.first_key && x.first_query < x.last_query)) return;
    backward_worker w;
    backward_worker_open(&w, plan, x.d, worker, x.d->scale, true);
    w.tile.grad_score_vector = backward_score_vector_part(plan, x.h, x.key_piece);
    w.b = x.b, w.tile.writes_keys = x.writes_keys, w.unwritten = x.first_key;
    lines_ahead ahead;
    if (plan->far) backward_ahead_find(&ahead, plan, task);
    if (plan->far) w.tile.ahead = &ahead;
    add_pair(&w, &x, sink, backward_slope_part(plan, x.h, x.query_piece));
    if (x.writes_keys) write_zeros(&w, x.key_head, x.last_key);
}

/* The workspace is the workers' pieces, the parts and the sums, *sums bytes of all, each a whole number of cache lines.
 */
static attn_status plan_backward(const attn_desc *d, backward_plan *plan, size_t *bytes, size_t *sums)
{
    *plan = backward_plan_tiles(d);
    backward_plan_pairs(plan);
    size_t workers = (size_t)parallel_workers(&d->parallel), parts;
    *sums = 0;
    *bytes = 0;
    if (d->dtype == ATTN_DTYPE_F64) return ATTN_OK;
    if (!d->B || (!d->T && !d->S)) return ATTN_OK;
    plan->pairs = sequence_packed(d) ? 0 : backward_pairs(plan); /* reads no starts yet */
    plan->pieces = backward_first_piece(plan, d->B);
    if (!backward_worker_floats(plan, &plan->worker_floats) ||
        !checked_mul(plan->worker_floats, sizeof(float), bytes) || !checked_mul(*bytes, workers, bytes) ||
        !backward_parts_bytes(plan, &parts) || !checked_add(*bytes, parts, bytes) ||
        !backward_sums_bytes(d, NULL, sums) || !checked_add(*bytes, *sums, bytes))
        return status_fail(ATTN_ERROR_OVERFLOW, "the workspace for D = %lld, DV = %lld does not fit, expected less",
                           (long long)d->D, (long long)d->DV);
    return ATTN_OK;
}

attn_status attn_backward_workspace_size(const attn_desc *desc, size_t *size)
{
    attn_desc d;
    backward_plan plan;
    size_t bytes = 0, sums;
    attn_status status = size ? descriptor_read(desc, &d)
                              : status_fail(ATTN_ERROR_ARGUMENT, "size is NULL, expected where to put the size");
    if (!status) status = plan_backward(&d, &plan, &bytes, &sums);
    if (!status) *size = bytes;
    return status;
}

attn_status attn_backward(const attn_desc *desc, void *workspace, size_t workspace_size)
{
    attn_desc d;
    backward_plan plan;
    size_t bytes = 0, sums = 0;
    attn_status status = descriptor_read(desc, &d);
    if (!status) status = plan_backward(&d, &plan, &bytes, &sums);
    if (!status) status = backward_check(&d, &(backward_names){"grad_q", "grad_k", "grad_v"});
    if (!status) status = array_check_workspace(workspace, workspace_size, bytes);
    if (status) return status;
    if (backward_is_idle(&d)) {
        backward_zero_sums(&d);
        return ATTN_OK;
    }
    if (d.dtype == ATTN_DTYPE_F64) {
        f64_backward(&d);
        return ATTN_OK;
    }
    const attn_desc summing = sums ? backward_sums_place(&d, NULL, (float *)((char *)workspace + bytes - sums)) : d;
    plan.d = &summing;
    plan.workspace = workspace;
    if (d.T) backward_parts_place(&plan); /* without queries no part has anything */
    plan.pairs = backward_pairs(&plan);
    plan.far = backward_ahead_pays(&d);
    if (d.grad_q.data || d.grad_k.data || d.grad_v.data || d.grad_score_vector.data || d.grad_sinks ||
        d.grad_alibi_slopes)
        backward_rounds(&plan, backward_task, &plan);
    backward_sum_parts(&plan);
    backward_sums_write(plan.table, &d, NULL, &summing, NULL);
    if (d.grad_bias.data) backward_bias(&plan, backward_bias_sequence);
    return ATTN_OK;
}
