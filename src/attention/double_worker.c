#include "attention/double_worker.h"

#include "attention/elements.h"
#include "attention/second_order.h"
#include "base/checked.h"

#define TILE_FLOATS ((size_t)(BACKWARD_QUERIES * BACKWARD_KEYS))

/* Tiles of its own. */
static size_t tiles_of(const double_plan *plan)
{
    return plan->second.by_grad_bias.data || plan->second.grad_bias.data ? 3 : 2;
}

/* The stages of U, of as many rows as a tile has queries, then of W and Y. */
static bool stage_floats(const attn_desc *d, size_t *floats)
{
    size_t values;
    *floats = 0;
    if (!staged_type(d->dtype)) return true;
    return checked_mul((size_t)staged_row(d->D), BACKWARD_QUERIES + BACKWARD_KEYS, floats) &&
           checked_mul((size_t)staged_row(d->DV), BACKWARD_KEYS, &values) && checked_add(*floats, values, floats);
}

bool double_worker_floats(double_plan *plan)
{
    const attn_desc *d = plan->tiles.d;
    size_t *floats = &plan->tiles.worker_floats, u_t, stages;
    if (!backward_worker_floats(&plan->tiles, floats)) return false;
    plan->first_floats = *floats;
    return checked_mul((size_t)d->D, BACKWARD_QUERIES, &u_t) && checked_add(*floats, u_t, floats) &&
           stage_floats(d, &stages) && checked_add(*floats, stages, floats) &&
           checked_add(*floats, 2 * BACKWARD_QUERIES + tiles_of(plan) * TILE_FLOATS, floats);
}

int64_t double_sum_at(const double_plan *plan, int64_t b, int64_t h, int64_t i)
{
    const attn_desc *d = plan->tiles.d;
    return d->query_starts ? h * d->T + d->query_starts[b] + i : (b * d->H + h) * d->T + i;
}

void double_worker_open(double_worker *w, const double_plan *plan, const attn_desc *d, int64_t b, int worker)
{
    float *own = plan->tiles.workspace + (size_t)worker * plan->tiles.worker_floats + plan->first_floats;
    *w = (double_worker){.plan = plan, .second = second_order_of(plan->tiles.d, &plan->second, b)};
    backward_worker_open(&w->first, &plan->tiles, d, worker, d->scale, true);
    float *tiles = own + 2 * BACKWARD_QUERIES;
    w->u_t = tiles + tiles_of(plan) * TILE_FLOATS;
    w->stages = w->u_t + d->D * BACKWARD_QUERIES;
    w->tile = (double_tile){.first = &w->first.tile,
                            .u_t = w->second.by_grad_q.data ? w->u_t : NULL,
                            .rho = own,
                            .sigma = own + BACKWARD_QUERIES,
                            .ds_t = tiles,
                            .by_s_t = tiles + TILE_FLOATS,
                            .bias_t = tiles_of(plan) > 2 ? tiles + 2 * TILE_FLOATS : NULL};
}

/* U^T, by what transposes Q; what else begin makes goes where the tiles will stand. */
static void transpose_u(double_worker *w, float *u_t)
{
    backward_tile t = w->first.tile;
    t.q = w->u.data, t.q_row = w->u.row;
    t.q_t = u_t;
    t.DV = 0;
    t.minus_lse = w->tile.ds_t;
    t.delta = t.minus_lse + BACKWARD_QUERIES;
    t.offset = t.delta + BACKWARD_QUERIES;
    w->plan->tiles.kernels->begin(&t);
}

/* Rows of U, W or Y; none where the caller gave none. */
static staged_rows read_rows(const double_worker *w, const attn_view *view, int64_t head, int64_t first, int64_t count,
                             int64_t columns, float *stage)
{
    if (!view->data) return (staged_rows){0};
    return staged_rows_read(w->plan->tiles.table, w->first.d->dtype, view, w->first.b, head, first, count, columns,
                            stage);
}

void double_worker_queries(double_worker *w, int64_t b, int64_t h, int64_t first, int64_t count)
{
    const attn_view *u = &w->second.by_grad_q;
    backward_worker_queries(&w->first, b, h, first, count);
    w->u = read_rows(w, u, h, first, count, w->first.d->D, w->stages);
    w->grad_grad_o = output_at(&w->second.grad_grad_o, b, h, first);
    if (!u->data) return;
    transpose_u(w, w->u_t);
}

/* The tile of Z, by the kernel that reads a bias. */
static void read_by_grad_bias(const double_worker *w)
{
    const attn_mask *z = &w->second.by_grad_bias;
    const backward_worker *at = &w->first;
    const modification_tile tile = {
        .queries = at->tile.queries,
        .keys = at->tile.keys,
        .bias = z->data ? (const float *)z->data + at->b * z->batch + at->h * z->head + at->first_query * z->row +
                              at->first_key * z->column
                        : NULL,
        .bias_row = z->row,
        .bias_column = z->column,
        .out = w->tile.bias_t,
        .query_step = 1,
        .key_step = BACKWARD_QUERIES,
    };
    w->plan->tiles.table->modification(&tile);
}

bool double_worker_keys(double_worker *w, int64_t first, int64_t count)
{
    const attn_second_order *second = &w->second;
    const attn_desc *d = w->first.d;
    if (!backward_worker_keys(&w->first, first, count)) return false;
    const int64_t key_head = w->first.h / (d->H / d->HK);
    float *stage = w->stages + BACKWARD_QUERIES * staged_row(d->D);
    const staged_rows by_k = read_rows(w, &second->by_grad_k, key_head, first, count, d->D, stage);
    stage += BACKWARD_KEYS * staged_row(d->D);
    const staged_rows by_v = read_rows(w, &second->by_grad_v, key_head, first, count, d->DV, stage);
    w->tile.w = by_k.data, w->tile.w_row = by_k.row;
    w->tile.y = by_v.data, w->tile.y_row = by_v.row;
    if (w->tile.bias_t) read_by_grad_bias(w);
    return true;
}

static bool all_finite(double_worker *w)
{
    const backward_tile *t = &w->first.tile;
    rows_finite_kernel *finite = w->plan->tiles.kernels->rows_finite;
    return backward_worker_queries_finite(&w->first) && (!w->u.data || finite(w->u.data, w->u.row, t->queries, t->D)) &&
           finite(t->k, t->k_row, t->keys, t->D) && finite(t->v, t->v_row, t->keys, t->DV) &&
           (!w->tile.w || finite(w->tile.w, w->tile.w_row, t->keys, t->D)) &&
           (!w->tile.y || finite(w->tile.y, w->tile.y_row, t->keys, t->DV));
}

/* Backward's sums of one tile times rows, for other tiles and rows than its own: grad_v += p_t^T grad_o,
 * grad_k += ds_t^T q, grad_q += ds_t k, each where it is not NULL. */
void double_worker_products(double_worker *w)
{
    const attn_desc *d = w->first.d;
    const int64_t b = w->first.b, h = w->first.h, key_head = h / (d->H / d->HK);
    backward_products_kernel *multiply = w->plan->tiles.kernels->products;
    if (w->first.masked && !all_finite(w)) multiply = backward_masked_products;

    backward_tile t = w->first.tile; /* by V, and by Q and K through the scores */
    t.p_t = w->first.tile.ds_t, t.ds_t = w->tile.by_s_t;
    t.grad_q = output_at(&d->grad_q, b, h, w->first.first_query);
    t.grad_k = output_at(&d->grad_k, b, key_head, w->first.first_key);
    t.grad_v = output_at(&d->grad_v, b, key_head, w->first.first_key);
    multiply(&t);

    t.ds_t = w->tile.ds_t, t.grad_v = NULL; /* by Q and K, which the products with W and U contain */
    t.q = w->u.data, t.q_row = w->u.row, t.k = w->tile.w, t.k_row = w->tile.w_row;
    if (!t.q) t.grad_k = NULL;
    if (!t.k) t.grad_q = NULL;
    if (t.q || t.k) multiply(&t);

    t.grad_k = NULL, t.D = d->DV; /* by dO: two such sums over the keys */
    t.grad_q = w->grad_grad_o, t.grad_q_row = w->second.grad_grad_o.row;
    t.ds_t = w->first.tile.ds_t, t.k = w->first.tile.v, t.k_row = w->first.tile.v_row;
    if (t.grad_q) multiply(&t);
    t.ds_t = w->first.tile.p_t, t.k = w->tile.y, t.k_row = w->tile.y_row;
    if (t.grad_q && t.k) multiply(&t);
}
