/* Backward: every sum in an order that T, S and D alone decide, and parallelism inside a head.
 *
 * Queries and keys are cut into chunks of a fixed size. Round r pairs key chunk t with query chunk (t + r) mod C, for
 * each key head at once: no two tasks of a round add to the same rows of dQ, dK or dV, so that a round is one parallel
 * loop, and rounds follow each other.
 *
 *     C = 4        key chunk   0 1 2 3
 *     query chunk 0            0 3 2 1      the round in which the pair is done
 *                 1            1 0 3 2
 *                 2            2 1 0 3
 *                 3            3 2 1 0
 *
 * Query heads that share a key head follow each other in the same way, all rounds of one before the next.
 *
 * Gradients of bf16 and fp16 are summed in fp32 and rounded when all rounds are done (backward_sums.h).
 *
 * The gradients of sinks and of additive scores' vector are summed over everything: each chunk of a head adds to a part
 * of its own, round by round (backward_parts.h). A block of queries gives its sink once, where its first key stands. */
#include "attention/backward_bias.h"
#include "attention/backward_parts.h"
#include "attention/backward_sums.h"
#include "attention/backward_worker.h"
#include "attention/descriptor.h"
#include "attention/f64_row.h"
#include "attention/sequence.h"
#include "attention/visible.h"
#include "base/checked.h"
#include "base/parallel.h"
#include "base/status.h"

#include <string.h>

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void zero_rows(const attn_output *out, int64_t b, int64_t h, int64_t first, int64_t last, int64_t columns)
{
    if (!out->data || !columns) return;
    for (int64_t row = first; row < last; row++) memset(output_at(out, b, h, row), 0, (size_t)columns * sizeof(float));
}

static void add_products(backward_worker *w, int64_t key_head)
{
    const attn_desc *d = w->d;
    backward_tile *t = &w->tile;
    t->grad_q = output_at(&d->grad_q, w->b, w->h, w->first_query);
    t->grad_k = output_at(&d->grad_k, w->b, key_head, w->first_key);
    t->grad_v = output_at(&d->grad_v, w->b, key_head, w->first_key);
    bool finite = !w->masked || (w->queries_finite && w->plan->kernels->rows_finite(t->k, t->k_row, t->keys, t->D));
    if (finite)
        w->plan->kernels->products(t);
    else
        backward_masked_products(t);
}

/* Queries first_query .. last_query - 1 against the keys of one chunk; what they give their sink into *sink. */
static void add_pair(backward_worker *w, int64_t b, int64_t h, int64_t first_query, int64_t last_query,
                     int64_t first_key, int64_t last_key, double *sink)
{
    const attn_desc *d = w->d;
    const int64_t most_queries = w->plan->tile_queries, most_keys = w->plan->tile_keys;
    for (int64_t i = first_query; i < last_query; i += most_queries) {
        int64_t queries = least(most_queries, last_query - i);
        key_range keys = visible_keys_of(d, b, i, queries);
        keys.first = visible_next(d, b, h, i, queries, keys.first);
        if (keys.first >= last_key || keys.last <= first_key || keys.first >= keys.last) continue;
        if (visible_next(d, b, h, i, queries, most(keys.first, first_key)) >= least(keys.last, last_key)) continue;
        backward_worker_queries(w, b, h, i, queries);
        if (sink && keys.first >= first_key) backward_add_sink(w, sink);
        for (int64_t j = first_key; j < last_key; j += most_keys) {
            /* Tiles keep their places, so that a range that cuts one changes no other's bits. */
            int64_t from = j > keys.first ? j : keys.first, to = least(least(j + most_keys, last_key), keys.last);
            if (from < to && backward_worker_scores(w, from, to - from)) add_products(w, h / (d->H / d->HK));
        }
    }
}

static void backward_task(void *argument, int64_t task, int worker)
{
    const backward_plan *plan = argument;
    const int64_t pairs = plan->pairs, group = plan->d->H / plan->d->HK;
    const int64_t piece = task % plan->pieces, key_head = task / plan->pieces, b = backward_sequence(plan, piece);
    const int64_t first_piece = backward_first_piece(plan, b), key_chunk = piece - first_piece;
    attn_desc own;
    const attn_desc *d = sequence_read(plan->d, b, &own);
    int64_t h = key_head * group + plan->round / pairs, query_chunk = (key_chunk + plan->round % pairs) % pairs;
    int64_t first_key = key_chunk * plan->chunk, last_key = least(d->S, first_key + plan->chunk);
    int64_t first_query = query_chunk * plan->chunk, last_query = least(d->T, first_query + plan->chunk);
    if (plan->round % pairs == 0) backward_zero_parts(plan, h, piece);
    if (key_chunk >= pairs) return; /* a piece of nobody */
    if (plan->round == 0) {
        zero_rows(&d->grad_k, b, key_head, first_key, last_key, d->D);
        zero_rows(&d->grad_v, b, key_head, first_key, last_key, d->DV);
    }
    if (plan->round % pairs == 0) zero_rows(&d->grad_q, b, h, first_query, last_query, d->D);
    if (first_key >= last_key || first_query >= last_query) return;
    backward_worker w;
    backward_worker_open(&w, plan, d, worker, d->scale, true);
    w.tile.grad_score_vector = backward_score_vector_part(plan, h, piece);
    add_pair(&w, b, h, first_query, last_query, first_key, last_key,
             backward_sink_part(plan, h, first_piece + query_chunk));
}

/* The workspace is the workers' pieces, the parts, which begin a cache line, and the sums, *sums bytes of all. */
static attn_status plan_backward(const attn_desc *d, backward_plan *plan, size_t *bytes, size_t *sums)
{
    *plan = backward_plan_tiles(d);
    size_t workers = (size_t)parallel_workers(&d->parallel), parts;
    *sums = 0;
    *bytes = 0;
    if (d->dtype == ATTN_DTYPE_F64) return ATTN_OK;
    if (!d->B || (!d->T && !d->S)) return ATTN_OK;
    plan->pairs = sequence_packed(d) ? 0 : backward_pairs(plan); /* reads no starts yet */
    plan->pieces = backward_first_piece(plan, d->B);
    if (!backward_worker_floats(plan, &plan->worker_floats) ||
        !checked_mul(plan->worker_floats, sizeof(float), bytes) || !checked_mul(*bytes, workers, bytes) ||
        !backward_parts_bytes(plan, &parts) || !checked_add(*bytes, parts, bytes) || !backward_sums_bytes(d, sums) ||
        !checked_add(*bytes, *sums, bytes))
        return status_fail(ATTN_ERROR_OVERFLOW, "the workspace for D = %lld, DV = %lld does not fit, expected less",
                           (long long)d->D, (long long)d->DV);
    return ATTN_OK;
}

static attn_status check_gradient(const char *name, const attn_output *grad, attn_dtype type, int64_t batches,
                                  int64_t heads, int64_t rows, int64_t columns)
{
    return grad->data ? descriptor_check_output(name, grad, type, batches, heads, rows, columns) : ATTN_OK;
}

static attn_status check_backward(const attn_desc *d)
{
    const attn_view o = {d->o.data, d->o.batch, d->o.head, d->o.row};
    const attn_view lse = {d->lse.data, d->lse.batch, d->lse.head, d->lse.row};
    const int64_t queries_B = sequence_query_batches(d), keys_B = sequence_key_batches(d);
    attn_status status = descriptor_check_inputs(d, true);
    if (!status) status = descriptor_check_view("o", &o, d->dtype, queries_B, d->H, d->T, d->DV);
    if (!status) status = descriptor_check_view("lse", &lse, sum_type(d->dtype), queries_B, d->H, d->T, 1);
    if (!status) status = descriptor_check_view("grad_o", &d->grad_o, d->dtype, queries_B, d->H, d->T, d->DV);
    if (!status) status = check_gradient("grad_q", &d->grad_q, d->dtype, queries_B, d->H, d->T, d->D);
    if (!status) status = check_gradient("grad_k", &d->grad_k, d->dtype, keys_B, d->HK, d->S, d->D);
    if (!status) status = check_gradient("grad_v", &d->grad_v, d->dtype, keys_B, d->HK, d->S, d->DV);
    if (!status && d->grad_score_vector.data)
        status =
            descriptor_check_output("grad_score_vector", &d->grad_score_vector, sum_type(d->dtype), 1, d->H, 1, d->D);
    return status ? status : backward_bias_check(d);
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
    if (!status) status = check_backward(&d);
    if (!status) status = descriptor_check_workspace(workspace, workspace_size, bytes);
    if (!status && d.dtype == ATTN_DTYPE_F64) f64_backward(&d);
    if (status || d.dtype == ATTN_DTYPE_F64) return status;
    const attn_desc summing = sums ? backward_sums_place(&d, (float *)((char *)workspace + bytes - sums)) : d;
    plan.d = &summing;
    plan.workspace = workspace;
    if (bytes) backward_parts_place(&plan);
    if (bytes) plan.pairs = backward_pairs(&plan);
    if (d.grad_q.data || d.grad_k.data || d.grad_v.data || d.grad_score_vector.data || d.grad_sinks)
        for (plan.round = 0; plan.round < plan.pairs * (d.H / d.HK); plan.round++)
            parallel_run(&d.parallel, d.HK * plan.pieces, backward_task, &plan);
    backward_sum_parts(&plan);
    backward_sums_write(plan.table, &d, &summing);
    if (d.grad_bias.data && bytes) backward_bias(&plan, backward_bias_sequence);
    return ATTN_OK;
}
