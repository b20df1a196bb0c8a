#include "attention/backward_worker.h"

#include "attention/elements.h"
#include "attention/visible.h"

#include <math.h>

/* The tile's keys and values, which stand there, packed to where they are not yet. */
static void pack_keys(backward_worker *w, packed_keys *packed, int64_t head, int64_t first)
{
    const backward_tile *t = &w->tile;
    const kernel_table *table = w->plan->table;
    if (packed->b == w->b && packed->head == head && packed->first == first && packed->count == t->keys) return;
    packed->b = w->b, packed->head = head, packed->first = first, packed->count = t->keys;
    if (t->p_bf16) table->pack_rows(t->k_bf16, t->k_row, t->keys, t->D, packed->k_pairs);
    if (!table->pack_keys) return;
    table->pack_keys(t->k_bf16, t->k_row, t->keys, t->D, packed->k_tiles);
    table->pack_keys(t->v_bf16, t->v_row, t->keys, t->DV, packed->v_tiles);
}

/* Keys first .. first + t->keys - 1 and their values, as they stand and packed. */
static void read_paired_keys(backward_worker *w, int64_t first)
{
    const attn_desc *d = w->d;
    backward_tile *t = &w->tile;
    const int64_t head = w->h / (d->H / d->HK);
    packed_keys *packed = &w->packed[first / BACKWARD_KEYS % BACKWARD_TILES];
    t->k_bf16 = bf16_at(&d->k, w->b, head, first), t->k_row = d->k.row;
    t->v_bf16 = bf16_at(&d->v, w->b, head, first), t->v_row = d->v.row;
    pack_keys(w, packed, head, first);
    t->k_pairs = packed->k_pairs, t->k_tiles = packed->k_tiles, t->v_tiles = packed->v_tiles;
}

/* Rows of an array of the sequence that the worker is at. *stage has room for `most`, and moves on behind them. */
static staged_rows read_rows(const backward_worker *w, const attn_view *view, int64_t head, int64_t first,
                             int64_t count, int64_t columns, int64_t most, float **stage)
{
    float *at = *stage;
    if (staged_type(w->d->dtype)) *stage += most * staged_row(columns);
    return staged_rows_read(w->plan->table, w->d->dtype, view, w->b, head, first, count, columns, at);
}

/* The same in fp32, staged behind the queries. */
static void read_keys(backward_worker *w, int64_t first)
{
    const attn_desc *d = w->d;
    backward_tile *t = &w->tile;
    const int64_t head = w->h / (d->H / d->HK), most = w->plan->tile_keys;
    float *stage = w->stages;
    if (staged_type(d->dtype)) stage += w->plan->tile_queries * (staged_row(d->D) + 2 * staged_row(d->DV));
    const staged_rows k = read_rows(w, &d->k, head, first, t->keys, d->D, most, &stage),
                      v = read_rows(w, &d->v, head, first, t->keys, d->DV, most, &stage);
    t->k = k.data, t->k_row = k.row;
    t->v = v.data, t->v_row = v.row;
}

/* Queries first .. first + t->queries - 1, as they stand and packed. */
static void read_paired_queries(backward_worker *w, int64_t first)
{
    const attn_desc *d = w->d;
    const kernel_table *table = w->plan->table;
    backward_tile *t = &w->tile;
    const attn_view o = {d->o.data, d->o.batch, d->o.head, d->o.row};
    t->q_bf16 = bf16_at(&d->q, w->b, w->h, first), t->q_row = d->q.row;
    t->grad_o_bf16 = bf16_at(&d->grad_o, w->b, w->h, first), t->grad_o_row = d->grad_o.row;
    t->o_bf16 = bf16_at(&o, w->b, w->h, first), t->o_row = o.row;
    table->pack_rows(t->q_bf16, t->q_row, t->queries, t->D, w->q_pairs);
    table->pack_rows(t->grad_o_bf16, t->grad_o_row, t->queries, t->DV, w->grad_o_pairs);
}

/* The same in fp32. */
static void read_queries(backward_worker *w, int64_t first)
{
    const attn_desc *d = w->d;
    backward_tile *t = &w->tile;
    float *stage = w->stages;
    const int64_t rows = w->plan->tile_queries, count = t->queries;
    const attn_view o = {d->o.data, d->o.batch, d->o.head, d->o.row};
    const staged_rows q = read_rows(w, &d->q, w->h, first, count, d->D, rows, &stage),
                      grad_o = read_rows(w, &d->grad_o, w->h, first, count, d->DV, rows, &stage),
                      result = read_rows(w, &o, w->h, first, count, d->DV, rows, &stage);
    t->q = q.data, t->q_row = q.row;
    t->grad_o = grad_o.data, t->grad_o_row = grad_o.row;
    t->o = result.data, t->o_row = result.row;
    t->score_vector = view_at(&d->score_vector, 0, w->h, 0);
}

/* What begin made of dO and O, less the loss's gradients by the log-sum-exp. A row without keys has none to give. */
static void subtract_grad_lse(backward_worker *w)
{
    const attn_view *grad = &w->d->grad_lse;
    backward_tile *t = &w->tile;
    const float *by_lse = view_at(grad, w->b, w->h, w->first_query);
    for (int64_t m = 0; by_lse && m < t->queries; m++) {
        if (t->lse[m * t->lse_row] == -INFINITY) continue;
        t->delta[m] -= by_lse[m * grad->row];
        t->offset[m] = -t->grad_scale * t->delta[m];
    }
}

void backward_worker_queries(backward_worker *w, int64_t b, int64_t h, int64_t first, int64_t count)
{
    w->b = b;
    w->h = h;
    w->first_query = first;
    w->tile.queries = count;
    w->tile.lse = output_at(&w->d->lse, b, h, first);
    w->queries_checked = false;
    (w->plan->paired ? read_paired_queries : read_queries)(w, first);
    w->plan->kernels->begin(&w->tile);
    subtract_grad_lse(w);
}

static bool check_queries(const backward_worker *w)
{
    const backward_tile *t = &w->tile;
    const kernel_table *table = w->plan->table;
    rows_finite_kernel *finite = w->plan->kernels->rows_finite;
    if (w->plan->paired)
        return table->pairs_finite(t->q_bf16, t->q_row, t->queries, t->D) &&
               table->pairs_finite(t->grad_o_bf16, t->grad_o_row, t->queries, t->DV);
    return finite(t->q, t->q_row, t->queries, t->D) && finite(t->grad_o, t->grad_o_row, t->queries, t->DV) &&
           (!t->score_vector || finite(t->score_vector, 0, 1, t->D));
}

bool backward_worker_queries_finite(backward_worker *w)
{
    if (!w->queries_checked) w->queries_finite = check_queries(w);
    w->queries_checked = true;
    return w->queries_finite;
}

bool backward_worker_finite(backward_worker *w)
{
    const backward_tile *t = &w->tile;
    if (!backward_worker_queries_finite(w)) return false;
    return w->plan->paired ? w->plan->table->pairs_finite(t->k_bf16, t->k_row, t->keys, t->D)
                           : w->plan->kernels->rows_finite(t->k, t->k_row, t->keys, t->D);
}

static void draw_dropout(backward_worker *w)
{
    const backward_plan *plan = w->plan;
    dropout_draw draw = {w->d->dropout_keys[w->b], (uint32_t)w->h, plan->dropout_threshold, plan->kept_factor};
    plan->table->dropout_factors(&draw, &(dropout_tile){.query = w->first_query,
                                                        .queries = w->tile.queries,
                                                        .key = w->first_key,
                                                        .keys = w->tile.keys,
                                                        .factors = w->dropout,
                                                        .query_step = 1,
                                                        .key_step = BACKWARD_QUERIES});
    w->tile.dropout = w->dropout;
}

bool backward_worker_keys(backward_worker *w, int64_t first, int64_t count)
{
    const attn_desc *d = w->d;
    backward_tile *t = &w->tile;
    visible_kind kind =
        visible_tile(d, w->b, w->h, w->first_query, t->queries, first, count, w->modification, 1, BACKWARD_QUERIES);
    if (kind == VISIBLE_NONE) return false;
    w->first_key = first;
    w->masked = kind == VISIBLE_SOME;
    t->keys = count;
    (w->plan->paired ? read_paired_keys : read_keys)(w, first);
    if (d->score_function) t->function.at = visible_place(d, w->b, w->h, w->first_query, first);
    t->modification = visible_modifies(kind) ? w->modification : NULL;
    if (d->dropout > 0) draw_dropout(w);
    return true;
}

bool backward_worker_scores(backward_worker *w, int64_t first, int64_t count)
{
    if (!backward_worker_keys(w, first, count)) return false;
    w->plan->kernels->scores(&w->tile);
    return true;
}
