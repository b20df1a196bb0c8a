/* What a worker's piece of backward's workspace holds, and where. */
#include "attention/backward_worker.h"

#include "base/checked.h"
#include "base/order.h"

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

/* What only one kind of score needs: Q^T and dO^T, or hyperbolic tangents. */
static bool score_floats(const backward_plan *plan, size_t *floats)
{
    const attn_desc *d = plan->d;
    if (d->score == ATTN_SCORE_ADDITIVE)
        return checked_mul((size_t)staged_row(d->D), (size_t)(plan->tile_queries * plan->tile_keys), floats);
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
    float *p_t = minus_lse + 4 * BACKWARD_QUERIES, *for_scores = p_t + (d->score_function ? 5 : 4) * tile;
    const bool additive = d->score == ATTN_SCORE_ADDITIVE;
    size_t scores = 0;
    score_floats(plan, &scores);
    *w = (backward_worker){
        .plan = plan,
        .d = d,
        .modification = p_t + 2 * tile,
        .dropout = p_t + 3 * tile,
        .stages = for_scores + scores,
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
                              .q_t = additive ? NULL : for_scores,
                              .grad_o_t = additive ? NULL : for_scores + d->D * BACKWARD_QUERIES,
                              .bent = additive ? for_scores : NULL,
                              .bent_row = staged_row(d->D),
                              .grad_q_row = d->grad_q.row,
                              .grad_k_row = d->grad_k.row,
                              .grad_v_row = d->grad_v.row};
    if (plan->paired) open_pairs(w);
}
