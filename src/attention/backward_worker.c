#include "attention/backward_worker.h"

#include "attention/descriptor.h"
#include "attention/visible.h"
#include "base/checked.h"

#define FLOATS_IN_LINE ((int64_t)(ATTN_ALIGNMENT / sizeof(float)))

static size_t tile_floats(const backward_plan *plan)
{
    return (size_t)(BACKWARD_QUERIES * plan->tile_keys);
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
    return checked_add((size_t)d->D, (size_t)d->DV, floats) && checked_mul(*floats, BACKWARD_QUERIES, floats);
}

backward_plan backward_plan_tiles(const attn_desc *d)
{
    const kernel_table *table = kernels_table();
    const bool additive = d->score == ATTN_SCORE_ADDITIVE;
    return (backward_plan){.d = d,
                           .kernels = &table->backward,
                           .dropout_factors = table->dropout_factors,
                           .dropout_threshold = dropout_threshold(d->dropout),
                           .kept_factor = 1 / (1 - d->dropout),
                           .chunk = 4 * BACKWARD_QUERIES,
                           .tile_queries = additive ? ADDITIVE_QUERIES : BACKWARD_QUERIES,
                           .tile_keys = additive ? ADDITIVE_KEYS : BACKWARD_KEYS};
}

bool backward_worker_floats(const backward_plan *plan, size_t *floats)
{
    size_t tiles = plan->d->score_function ? 5 : 4;
    return score_floats(plan, floats) && checked_add(*floats, 3 * BACKWARD_QUERIES + tiles * tile_floats(plan), floats);
}

void backward_worker_open(backward_worker *w, const backward_plan *plan, const attn_desc *d, int worker,
                          float grad_scale, bool cap_slope)
{
    float *minus_lse = plan->workspace + (size_t)worker * plan->worker_floats;
    size_t tile = tile_floats(plan);
    float *p_t = minus_lse + 3 * BACKWARD_QUERIES, *q_t = p_t + (d->score_function ? 5 : 4) * tile;
    *w = (backward_worker){.plan = plan, .d = d, .modification = p_t + 2 * tile, .dropout = p_t + 3 * tile};
    w->tile = (backward_tile){.D = d->D,
                              .DV = d->DV,
                              .scale = d->scale,
                              .softcap = d->softcap,
                              .grad_scale = grad_scale,
                              .cap_slope = cap_slope,
                              .q_row = d->q.row,
                              .grad_o_row = d->grad_o.row,
                              .o_row = d->o.row,
                              .lse_row = d->lse.row,
                              .k_row = d->k.row,
                              .v_row = d->v.row,
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
}

void backward_worker_queries(backward_worker *w, int64_t b, int64_t h, int64_t first, int64_t count)
{
    const attn_desc *d = w->d;
    backward_tile *t = &w->tile;
    w->b = b;
    w->h = h;
    w->first_query = first;
    t->queries = count;
    t->q = view_at(&d->q, b, h, first);
    t->grad_o = view_at(&d->grad_o, b, h, first);
    t->o = output_at(&d->o, b, h, first);
    t->lse = output_at(&d->lse, b, h, first);
    t->score_vector = view_at(&d->score_vector, 0, h, 0);
    w->plan->kernels->begin(t);
    w->queries_finite = w->plan->kernels->rows_finite(t->q, t->q_row, count, t->D) &&
                        w->plan->kernels->rows_finite(t->grad_o, t->grad_o_row, count, t->DV) &&
                        (!t->score_vector || w->plan->kernels->rows_finite(t->score_vector, 0, 1, t->D));
}

static void draw_dropout(backward_worker *w)
{
    const backward_plan *plan = w->plan;
    dropout_draw draw = {w->d->dropout_keys[w->b], (uint32_t)w->h, plan->dropout_threshold, plan->kept_factor};
    plan->dropout_factors(&draw, &(dropout_tile){.query = w->first_query,
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
    int64_t key_head = w->h / (d->H / d->HK);
    visible_kind kind =
        visible_tile(d, w->b, w->h, w->first_query, t->queries, first, count, w->modification, 1, BACKWARD_QUERIES);
    if (kind == VISIBLE_NONE) return false;
    w->first_key = first;
    w->masked = kind == VISIBLE_SOME;
    t->keys = count;
    t->k = view_at(&d->k, w->b, key_head, first);
    t->v = view_at(&d->v, w->b, key_head, first);
    if (d->score_function) t->function.at = visible_place(d, w->b, w->h, w->first_query, first);
    t->modification = w->masked ? w->modification : NULL;
    if (d->dropout > 0) draw_dropout(w);
    return true;
}

bool backward_worker_scores(backward_worker *w, int64_t first, int64_t count)
{
    if (!backward_worker_keys(w, first, count)) return false;
    w->plan->kernels->scores(&w->tile);
    return true;
}
