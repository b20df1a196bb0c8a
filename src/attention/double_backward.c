/* Double backward: the gradients of backward's gradients. kernels/double_tile.h derives what is computed.
 *
 * Two passes over the tiles, neither of which holds more than its own: the first gives each query its two row sums, a
 * task for each block of queries; the second makes the tiles again and adds their products, in backward's rounds
 * (backward_rounds.h), so that each sum has one order. A last loop gives each head's sink its gradient from the row
 * sums:
 *
 *     by the sink z:  -(sum over b, i of exp(z - lse_i) (sigma_i + delta_i * by_grad_sink)),
 *
 * since z is the score of one more key, whose value is 0: a = e = 0 and r = by_grad_sink. */
#include "attention/array_check.h"
#include "attention/backward_bias.h"
#include "attention/backward_check.h"
#include "attention/backward_parts.h"
#include "attention/backward_rounds.h"
#include "attention/backward_sums.h"
#include "attention/double_worker.h"
#include "attention/elements.h"
#include "attention/f64_row.h"
#include "attention/second_order.h"
#include "attention/sequence.h"
#include "attention/visible.h"
#include "base/checked.h"
#include "base/order.h"
#include "base/parallel.h"
#include "base/status.h"

#include <math.h>
#include <string.h>

/* exp(z - lse), the sink's weight. */
static double sink_weight(const attn_desc *d, int64_t h, float lse)
{
    return d->sinks && d->sinks[h] != -INFINITY ? exp((double)d->sinks[h] - lse) : 0;
}

static void write_sums(const double_worker *w, const double *rho, const double *sigma)
{
    const double_plan *plan = w->plan;
    const backward_tile *t = &w->first.tile;
    const int64_t at = double_sum_at(plan, w->first.b, w->first.h, w->first.first_query);
    const double by_sink = plan->second.by_grad_sinks ? plan->second.by_grad_sinks[w->first.h] : 0;
    const attn_view *grad_lse = &w->first.d->grad_lse;
    const float *by_lse = view_at(grad_lse, w->first.b, w->first.h, w->first.first_query);
    float *out = output_at(&w->second.grad_grad_lse, w->first.b, w->first.h, w->first.first_query);
    for (int64_t m = 0; m < t->queries; m++) {
        double weight = by_sink != 0 ? sink_weight(w->first.d, w->first.h, t->lse[m * t->lse_row]) : 0;
        double whole = weight != 0 ? rho[m] + weight * by_sink : rho[m];
        plan->rho[at + m] = (float)whole;
        const bool given = by_lse && t->lse[m * t->lse_row] != -INFINITY;
        const double twice = 2 * (double)t->delta[m] + (given ? by_lse[m * grad_lse->row] : 0);
        plan->sigma[at + m] = (float)(sigma[m] - twice * whole);
        plan->delta[at + m] = t->delta[m];
        if (out) out[m * w->second.grad_grad_lse.row] = (float)whole;
    }
}

/* The row sums of a block over keys keys.first .. keys.last - 1; without any a sink is left. */
static void sum_block(double_worker *w, key_range keys)
{
    const int64_t size = w->plan->tiles.tile_keys;
    double rho[BACKWARD_QUERIES] = {0}, sigma[BACKWARD_QUERIES] = {0};
    for (int64_t j = keys.first - keys.first % size; j < keys.last; j += size) {
        int64_t from = most(j, keys.first);
        if (!double_worker_keys(w, from, least(j + size, keys.last) - from)) continue;
        memset(w->tile.rho, 0, BACKWARD_QUERIES * sizeof(float));
        memset(w->tile.sigma, 0, BACKWARD_QUERIES * sizeof(float));
        w->plan->kernels->sums(&w->tile);
        for (int64_t m = 0; m < w->first.tile.queries; m++) rho[m] += w->tile.rho[m], sigma[m] += w->tile.sigma[m];
    }
    write_sums(w, rho, sigma);
}

static void sums_task(void *argument, int64_t task, int worker)
{
    const double_plan *plan = argument;
    const attn_desc *whole = plan->tiles.d;
    const int64_t piece = task / whole->H, h = task % whole->H;
    const int64_t b = sequence_of_piece(whole, sequence_query_pieces, BACKWARD_QUERIES, piece);
    const int64_t i = (piece - sequence_query_pieces(whole, b, BACKWARD_QUERIES)) * BACKWARD_QUERIES;
    attn_desc own;
    const attn_desc *d = sequence_read(whole, b, &own);
    if (i >= d->T) return; /* a piece of nobody */
    const int64_t queries = least(BACKWARD_QUERIES, d->T - i);
    key_range keys = visible_keys_of(d, b, i, queries);
    keys.first = visible_next(d, b, h, i, queries, keys.first);
    double_worker w;
    double_worker_open(&w, plan, d, b, worker);
    double_worker_queries(&w, b, h, i, queries);
    sum_block(&w, keys);
}

/* To a block whose row sums are known. */
static void move_queries(void *worker, int64_t b, int64_t h, int64_t first, int64_t count)
{
    double_worker *w = worker;
    const int64_t at = double_sum_at(w->plan, b, h, first);
    double_worker_queries(w, b, h, first, count);
    memcpy(w->tile.rho, w->plan->rho + at, (size_t)count * sizeof(float));
    memcpy(w->tile.sigma, w->plan->sigma + at, (size_t)count * sizeof(float));
}

/* The pair's queries against its keys. */
static void add_pair(double_worker *w, const backward_pair *x)
{
    const double_plan *plan = w->plan;
    const attn_desc *d = x->d;
    const int64_t b = x->b, h = x->h, size = plan->tiles.tile_keys;
    for (int64_t i = x->first_query; i < x->last_query; i += BACKWARD_QUERIES) {
        const int64_t queries = least(BACKWARD_QUERIES, x->last_query - i);
        key_range keys = visible_keys_of(d, b, i, queries);
        keys.first = visible_next(d, b, h, i, queries, most(keys.first, x->first_key));
        keys.last = least(keys.last, x->last_key);
        if (keys.first >= keys.last) continue;
        move_queries(w, b, h, i, queries);
        for (int64_t j = x->first_key; j < keys.last; j += size) {
            int64_t from = most(j, keys.first), to = least(j + size, keys.last);
            if (from >= to || !double_worker_keys(w, from, to - from)) continue;
            plan->kernels->scores(&w->tile);
            double_worker_products(w);
        }
    }
}

static void products_task(void *argument, int64_t task, int worker)
{
    const double_plan *plan = argument;
    backward_pair x;
    backward_pair_begin(&x, &plan->tiles, task);
    if (x.begins) {
        const attn_second_order second = second_order_of(plan->tiles.d, &plan->second, x.b);
        backward_zero_rows(&second.grad_grad_o, x.b, x.h, x.first_query, x.last_query, x.d->DV);
    }
    if (backward_pair_is_empty(&x)) return;
    double_worker w;
    double_worker_open(&w, plan, x.d, x.b, worker);
    add_pair(&w, &x);
}

static const float *move_keys(void *worker, int64_t first, int64_t count)
{
    double_worker *w = worker;
    if (!double_worker_keys(w, first, count)) return NULL;
    w->plan->kernels->scores(&w->tile);
    return w->tile.bias_t;
}

static void bias_of_sequence(const bias_task *task, const backward_plan *tiles, const attn_desc *d, int64_t b,
                             int worker)
{
    double_worker w;
    double_worker_open(&w, (const double_plan *)tiles, d, b, worker); /* whose first member tiles is */
    backward_bias_add(task, &(bias_worker){&w, move_queries, move_keys}, d, b);
}

static void sink_task(void *argument, int64_t h, int worker)
{
    (void)worker;
    const double_plan *plan = argument;
    const attn_desc *whole = plan->tiles.d;
    const double by_sink = plan->second.by_grad_sinks ? plan->second.by_grad_sinks[h] : 0;
    double sum = 0;
    for (int64_t b = 0; b < whole->B; b++) {
        attn_desc own;
        const attn_desc *d = sequence_read(whole, b, &own);
        for (int64_t i = 0; i < d->T; i++) {
            const int64_t at = double_sum_at(plan, b, h, i);
            const double weight = sink_weight(d, h, *output_at(&d->lse, b, h, i));
            if (weight != 0) sum -= weight * (plan->sigma[at] + plan->delta[at] * by_sink);
        }
    }
    plan->second.grad_sinks[h] = (float)sum;
}

/* Workers' pieces, then the row sums, then the gradients' sums, *sums bytes of all, each a whole number of cache lines.
 */
static attn_status plan_double(const attn_desc *d, double_plan *plan, size_t *bytes, size_t *sums)
{
    plan->tiles = backward_plan_tiles(d);
    plan->kernels = &kernels_table()->double_backward;
    *bytes = *sums = 0;
    if (d->dtype == ATTN_DTYPE_F64) return ATTN_OK;
    if (!d->B || (!d->T && !d->S)) return ATTN_OK;
    backward_plan *tiles = &plan->tiles;
    tiles->pairs = sequence_packed(d) ? 0 : backward_pairs(tiles); /* reads no starts yet */
    tiles->pieces = backward_first_piece(tiles, d->B);
    size_t rows, batches = d->query_starts ? 1 : (size_t)d->B;
    if (!double_worker_floats(plan) ||
        !checked_mul(tiles->worker_floats, (size_t)parallel_workers(&d->parallel), bytes) ||
        !checked_mul(*bytes, sizeof(float), bytes) || !checked_mul(batches * (size_t)d->H, (size_t)d->T, &rows) ||
        !checked_mul(rows, 3 * sizeof(float), &rows) || !checked_whole(rows, ATTN_ALIGNMENT, &rows) ||
        !checked_add(*bytes, rows, bytes) || !backward_sums_bytes(d, &plan->second.grad_grad_o, sums) ||
        !checked_add(*bytes, *sums, bytes))
        return status_fail(ATTN_ERROR_OVERFLOW,
                           "the workspace for B = %lld, H = %lld, T = %lld, D = %lld, DV = %lld does not fit, expected "
                           "less",
                           (long long)d->B, (long long)d->H, (long long)d->T, (long long)d->D, (long long)d->DV);
    return ATTN_OK;
}

static void place_sums(double_plan *plan)
{
    const attn_desc *d = plan->tiles.d;
    const int64_t rows = (d->query_starts ? 1 : d->B) * d->H * d->T;
    plan->rho = plan->tiles.workspace + (size_t)parallel_workers(&d->parallel) * plan->tiles.worker_floats;
    plan->sigma = plan->rho + rows;
    plan->delta = plan->sigma + rows;
}

static void run(double_plan *plan)
{
    const attn_desc *d = plan->tiles.d;
    backward_plan *tiles = &plan->tiles;
    place_sums(plan);
    tiles->pairs = backward_pairs(tiles);
    if (d->T) parallel_run(&d->parallel, d->H * sequence_query_pieces(d, d->B, BACKWARD_QUERIES), sums_task, plan);
    backward_rounds(tiles, products_task, plan);
    if (d->grad_bias.data) backward_bias(tiles, bias_of_sequence);
}

attn_status attn_double_backward_workspace_size(const attn_desc *desc, const attn_second_order *second, size_t *size)
{
    attn_desc d;
    double_plan plan;
    size_t bytes = 0, sums;
    if (!size) return status_fail(ATTN_ERROR_ARGUMENT, "size is NULL, expected where to put the size");
    attn_status status = second_order_read(desc, second, &d, &plan.second);
    if (!status) status = plan_double(&d, &plan, &bytes, &sums);
    if (!status) *size = bytes;
    return status;
}

attn_status attn_double_backward(const attn_desc *desc, const attn_second_order *second, void *workspace,
                                 size_t workspace_size)
{
    attn_desc d;
    double_plan plan;
    size_t bytes = 0, sums = 0;
    attn_status status = second_order_read(desc, second, &d, &plan.second);
    if (!status) status = plan_double(&d, &plan, &bytes, &sums);
    if (!status) status = second_order_check(&d, &plan.second);
    if (!status) status = array_check_workspace(workspace, workspace_size, bytes);
    if (status) return status;
    if (second_order_is_idle(&d, &plan.second)) {
        backward_zero_sums(&d);
        return ATTN_OK;
    }
    if (d.dtype == ATTN_DTYPE_F64) {
        f64_double_backward(&d, &plan.second);
        return ATTN_OK;
    }
    const attn_output grad_grad_o = plan.second.grad_grad_o;
    const attn_desc summing =
        sums ? backward_sums_place(&d, &plan.second.grad_grad_o, (float *)((char *)workspace + bytes - sums)) : d;
    plan.tiles.d = &summing;
    plan.tiles.workspace = workspace;
    run(&plan);
    if (d.grad_sinks && d.T) parallel_run(&d.parallel, d.H, sink_task, &plan);
    if (!d.T) backward_zero_sums(&d);
    backward_sums_write(plan.tiles.table, &d, &grad_grad_o, &summing, &plan.second.grad_grad_o);
    return ATTN_OK;
}
