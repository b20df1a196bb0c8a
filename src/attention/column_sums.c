/* Column sums of the weights, by backward's tiles: a tile of P^T = exp(S^T - lse) is made again from the log-sum-exp
 * that forward left, and its rows are summed. A task owns a chunk of keys of one head and visits the queries in order,
 * so that memory does not grow and a sum has one order. Values take no part: backward's second product runs over no
 * columns. */
#include "attention/array_check.h"
#include "attention/backward_worker.h"
#include "attention/descriptor.h"
#include "attention/elements.h"
#include "attention/region.h"
#include "attention/sequence.h"
#include "attention/visible.h"
#include "base/checked.h"
#include "base/parallel.h"
#include "base/status.h"

#define CHUNK (4 * BACKWARD_KEYS)

typedef struct sums_plan {
    backward_plan tiles;
    attn_region region;
    int64_t chunks; /* of the longest sequence */
    const attn_output *sums;
} sums_plan;

/* Of one key over a tile's queries: eight sums side by side, then these. */
static double sum_row(const float *p, int64_t queries)
{
    float part[8] = {0};
    int64_t m = 0;
    for (; m + 8 <= queries; m += 8)
        for (int n = 0; n < 8; n++) part[n] += p[m + n];
    double sum = 0;
    for (int n = 0; n < 8; n++) sum += part[n];
    for (; m < queries; m++) sum += p[m];
    return sum;
}

/* What queries i .. i + queries - 1 give the sums of keys first .. last - 1. */
static void add_block(backward_worker *w, int64_t b, int64_t h, int64_t i, int64_t queries, int64_t first, int64_t last,
                      double *sums)
{
    const int64_t size = w->plan->tile_keys;
    key_range keys = visible_keys_of(w->d, b, i, queries);
    if (keys.first < first) keys.first = first;
    if (keys.last > last) keys.last = last;
    keys.first = visible_next(w->d, b, h, i, queries, keys.first);
    if (keys.first >= keys.last) return;
    backward_worker_queries(w, b, h, i, queries);
    for (int64_t j = keys.first - keys.first % size; j < keys.last; j += size) {
        int64_t from = j > keys.first ? j : keys.first, to = j + size < keys.last ? j + size : keys.last;
        if (!backward_worker_scores(w, from, to - from)) continue;
        for (int64_t n = 0; n < to - from; n++)
            sums[from - first + n] += sum_row(w->tile.p_t + n * BACKWARD_QUERIES, queries);
    }
}

static void sums_task(void *argument, int64_t task, int worker)
{
    const sums_plan *plan = argument;
    const attn_region *r = &plan->region;
    int64_t chunk = task % plan->chunks, h = task / plan->chunks % r->heads, b = task / plan->chunks / r->heads;
    attn_desc own;
    const attn_desc *d = sequence_read(plan->tiles.d, r->batch + b, &own);
    int64_t first = chunk * CHUNK, last = first + CHUNK < d->S ? first + CHUNK : d->S, end = r->row + r->rows;
    if (first >= last) return;
    double sums[CHUNK] = {0};
    backward_worker w;
    backward_worker_open(&w, &plan->tiles, d, worker, 1, false);
    for (int64_t i = r->row; i < end; i += plan->tiles.tile_queries) {
        int64_t queries = end - i < plan->tiles.tile_queries ? end - i : plan->tiles.tile_queries;
        add_block(&w, r->batch + b, r->head + h, i, queries, first, last, sums);
    }
    for (int64_t j = first; j < last; j++) *output_at(plan->sums, b, h, j) = (float)sums[j - first];
}

/* The descriptor without what the sums do not need. */
static attn_status read_descriptor(const attn_desc *desc, attn_desc *d)
{
    attn_status status = descriptor_read(desc, d);
    if (status) return status;
    if (d->dtype == ATTN_DTYPE_F64)
        return status_fail(ATTN_ERROR_UNSUPPORTED,
                           "dtype = ATTN_DTYPE_F64 (%d) in attn_weights_column_sums, expected another",
                           (int)ATTN_DTYPE_F64);
    d->DV = 0;
    d->v = d->k, d->grad_o = d->q;
    d->grad_lse.data = NULL;
    d->o = (attn_output){(void *)(uintptr_t)d->q.data, d->q.batch, d->q.head, d->q.row};
    d->dropout = 0;
    return ATTN_OK;
}

static attn_status plan_sums(const attn_desc *d, sums_plan *plan, size_t *bytes)
{
    plan->tiles = backward_plan_tiles(d);
    *bytes = 0;
    if (!d->B || !d->S) return ATTN_OK;
    if (!backward_worker_floats(&plan->tiles, &plan->tiles.worker_floats) ||
        !checked_mul(plan->tiles.worker_floats, sizeof(float), bytes) ||
        !checked_mul(*bytes, (size_t)parallel_workers(&d->parallel), bytes))
        return status_fail(ATTN_ERROR_OVERFLOW, "the workspace for D = %lld does not fit, expected less",
                           (long long)d->D);
    return ATTN_OK;
}

attn_status attn_weights_column_sums_workspace_size(const attn_desc *desc, size_t *size)
{
    attn_desc d;
    sums_plan plan;
    size_t bytes = 0;
    if (!size) return status_fail(ATTN_ERROR_ARGUMENT, "size is NULL, expected where to put the size");
    attn_status status = read_descriptor(desc, &d);
    if (!status) status = plan_sums(&d, &plan, &bytes);
    if (!status) *size = bytes;
    return status;
}

static attn_status check_arrays(const attn_desc *d, const attn_region *region, const attn_output *sums)
{
    const attn_view lse = {d->lse.data, d->lse.batch, d->lse.head, d->lse.row};
    attn_status status = array_check_view("lse", &lse, ATTN_DTYPE_F32, sequence_query_batches(d), d->H, d->T, 1);
    if (status) return status;
    if (!sums) return status_fail(ATTN_ERROR_ARGUMENT, "sums is NULL, expected an output");
    return array_check_output("sums", sums, ATTN_DTYPE_F32, region->batches, region->heads, d->S, 1);
}

attn_status attn_weights_column_sums(const attn_desc *desc, const attn_region *region, const attn_output *sums,
                                     void *workspace, size_t workspace_size)
{
    attn_desc d;
    sums_plan plan = {.sums = sums};
    size_t bytes = 0;
    int64_t T, S;
    attn_status status = read_descriptor(desc, &d);
    if (!status) status = plan_sums(&d, &plan, &bytes);
    if (!status) status = descriptor_check_inputs(&d, false);
    if (!status) status = region_read(&d, region, &plan.region);
    if (!status) status = check_arrays(&d, &plan.region, sums);
    if (!status) status = array_check_workspace(workspace, workspace_size, bytes);
    if (status) return status;
    plan.tiles.workspace = workspace;
    sequence_largest(&d, &T, &S);
    plan.chunks = S / CHUNK + (S % CHUNK != 0);
    parallel_run(&d.parallel, plan.region.batches * plan.region.heads * plan.chunks, sums_task, &plan);
    return ATTN_OK;
}
