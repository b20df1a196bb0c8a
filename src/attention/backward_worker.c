#include "attention/backward_worker.h"

#include "attention/elements.h"
#include "attention/visible.h"
#include "base/checked.h"
#include "base/order.h"

#include <math.h>

#define FLOATS_IN_LINE ((int64_t)(ATTN_ALIGNMENT / sizeof(float)))

static size_t tile_floats(const backward_plan *plan)
{
    return (size_t)(BACKWARD_QUERIES * plan->tile_keys);
}

/* What a tile's rows of bf16 take packed, by pairs of rows or of columns, in whole steps. */
#define PACKED_ROWS (BACKWARD_QUERIES / 2)
_Static_assert(BACKWARD_QUERIES == BACKWARD_KEYS, "a tile's rows of K and V take what those of Q and dO do");

static int64_t packed_floats(int64_t columns)
{
    return PACKED_ROWS * backward_whole(columns);
}

/* So many arrays of packed rows of D columns and of DV. */
static bool packed_arrays(const attn_desc *d, size_t of_D, size_t of_DV, size_t *floats)
{
    size_t values;
    if (most(d->D, d->DV) > INT64_MAX - BACKWARD_STEP) return false;
    return checked_mul((size_t)backward_whole(d->D), of_D * PACKED_ROWS, floats) &&
           checked_mul((size_t)backward_whole(d->DV), of_DV * PACKED_ROWS, &values) &&
           checked_add(*floats, values, floats);
}

/* With products of pairs: the rounded tiles, three of half the size of others, Q and dO as products take them, and of
 * each tile of a chunk K likewise, with products of tiles K and V as scores take them. */
static bool pair_floats(const backward_plan *plan, size_t *floats)
{
    const size_t tiles = plan->table->pack_keys != NULL;
    return packed_arrays(plan->d, 1 + BACKWARD_TILES * (1 + tiles), 1 + BACKWARD_TILES * tiles, floats) &&
           checked_add(*floats, 3 * tile_floats(plan) / 2, floats);
}

/* The stages of Q, dO and O, of as many rows as a tile has queries, then of K and V. */
static bool stage_floats(const backward_plan *plan, size_t *floats)
{
    const size_t k_row = (size_t)staged_row(plan->d->D), v_row = (size_t)staged_row(plan->d->DV);
    size_t results;
    *floats = 0;
    if (!staged_type(plan->d->dtype)) return true;
    if (plan->paired) return pair_floats(plan, floats);
    return checked_add(k_row, v_row, floats) &&
           checked_mul(*floats, (size_t)(plan->tile_queries + plan->tile_keys), floats) &&
           checked_mul(v_row, (size_t)plan->tile_queries, &results) && checked_add(*floats, results, floats);
}

static int64_t bent_row(const attn_desc *d)
{
    return (d->D + FLOATS_IN_LINE - 1) / FLOATS_IN_LINE * FLOATS_IN_LINE;
}

/* What only one kind of score needs: Q^T and dO^T, or hyperbolic tangents. */
static bool score_floats(const backward_plan *plan, size_t *floats)
{
    const attn_desc *d = plan->d;
    if (d->score == ATTN_SCORE_ADDITIVE)
        return checked_mul((size_t)bent_row(d), (size_t)(plan->tile_queries * plan->tile_keys), floats);
    if (plan->paired) return packed_arrays(d, 1, 1, floats);
    return checked_add((size_t)d->D, (size_t)d->DV, floats) && checked_mul(*floats, BACKWARD_QUERIES, floats);
}

backward_plan backward_plan_tiles(const attn_desc *d)
{
    const kernel_table *table = kernels_table();
    const bool additive = d->score == ATTN_SCORE_ADDITIVE;
    return (backward_plan){.d = d,
                           .table = table,
                           .kernels = &table->backward,
                           .dropout_threshold = dropout_threshold(d->dropout),
                           .kept_factor = 1 / (1 - d->dropout),
                           .chunk = BACKWARD_TILES * BACKWARD_QUERIES,
                           .key_step = 1,
                           .tile_queries = additive ? ADDITIVE_QUERIES : BACKWARD_QUERIES,
                           .tile_keys = additive ? ADDITIVE_KEYS : BACKWARD_KEYS};
}

void backward_plan_pairs(backward_plan *plan)
{
    const bool multiplied = plan->d->dtype == ATTN_DTYPE_BF16 && plan->d->score != ATTN_SCORE_ADDITIVE;
    plan->paired = multiplied && plan->table->backward_pairs.begin;
    if (!plan->paired) return;
    plan->kernels = &plan->table->backward_pairs;
    plan->key_step = plan->table->pack_keys ? BACKWARD_STEP : 2;
}

bool backward_worker_floats(const backward_plan *plan, size_t *floats)
{
    size_t tiles = plan->d->score_function ? 5 : 4, scores, stages;
    if (!score_floats(plan, &scores) || !stage_floats(plan, &stages)) return false;
    *floats = 4 * BACKWARD_QUERIES + tiles * tile_floats(plan);
    return checked_add(*floats, scores, floats) && checked_add(*floats, stages, floats);
}

/* Where pair_floats has room for them. */
static void open_pairs(backward_worker *w)
{
    backward_tile *t = &w->tile;
    const size_t numbers = tile_floats(w->plan);
    t->p_bf16 = (uint16_t *)w->stages;
    t->ds_bf16 = t->p_bf16 + numbers;
    t->ds_pairs = (uint32_t *)(t->ds_bf16 + numbers);
    t->grad_o_t = t->q_t + packed_floats(t->D);
    w->q_pairs = t->ds_pairs + numbers / 2;
    w->grad_o_pairs = w->q_pairs + packed_floats(t->D);
    t->q_pairs = w->q_pairs, t->grad_o_pairs = w->grad_o_pairs;
    uint32_t *at = w->grad_o_pairs + packed_floats(t->DV);
    for (int n = 0; n < BACKWARD_TILES; n++) {
        packed_keys *packed = &w->packed[n];
        packed->k_pairs = at, at += packed_floats(t->D);
        if (!w->plan->table->pack_keys) continue;
        packed->k_tiles = at, at += packed_floats(t->D);
        packed->v_tiles = at, at += packed_floats(t->DV);
    }
}

void backward_worker_open(backward_worker *w, const backward_plan *plan, const attn_desc *d, int worker,
                          float grad_scale, bool cap_slope)
{
    float *minus_lse = plan->workspace + (size_t)worker * plan->worker_floats;
    size_t tile = tile_floats(plan);
    float *p_t = minus_lse + 4 * BACKWARD_QUERIES, *q_t = p_t + (d->score_function ? 5 : 4) * tile;
    size_t scores = 0;
    score_floats(plan, &scores);
    *w = (backward_worker){
        .plan = plan,
        .d = d,
        .modification = p_t + 2 * tile,
        .dropout = p_t + 3 * tile,
        .stages = q_t + scores,
        .distance_sums = minus_lse + 3 * BACKWARD_QUERIES,
    };
    w->tile = (backward_tile){.D = d->D,
                              .DV = d->DV,
                              .scale = d->scale,
                              .softcap = d->softcap,
                              .grad_scale = grad_scale,
                              .cap_slope = cap_slope,
                              .lse_row = d->lse.row,
                              .minus_lse = minus_lse,
                              .offset = minus_lse + BACKWARD_QUERIES,
                              .delta = minus_lse + 2 * BACKWARD_QUERIES,
                              .p_t = p_t,
                              .ds_t = p_t + tile,
                              .slope_t = p_t + 4 * tile,
                              .function = {.call = d->score_function, .user = d->score_user},
                              .q_t = q_t,
                              .bent = q_t,
                              .bent_row = bent_row(d),
                              .grad_o_t = q_t + d->D * BACKWARD_QUERIES,
                              .grad_q_row = d->grad_q.row,
                              .grad_k_row = d->grad_k.row,
                              .grad_v_row = d->grad_v.row};
    if (plan->paired) open_pairs(w);
}

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
