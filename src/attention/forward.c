#include "attention/array_check.h"
#include "attention/descriptor.h"
#include "attention/elements.h"
#include "attention/f64_row.h"
#include "attention/forward_abreast.h"
#include "attention/forward_strip.h"
#include "attention/sequence.h"
#include "attention/staged_rows.h"
#include "attn/attn.h"
#include "base/checked.h"
#include "base/parallel.h"
#include "base/status.h"
#include "kernels/kernels.h"

/* Multiply-adds that make a task worth handing out: some microseconds. */
#define TASK_WORK (1 << 18)

/* Those up to which a task takes more strips, as long as every worker has TASKS_PER_WORKER tasks: within a task what
 * the next strip reads is asked for early. */
#define RUN_WORK (1 << 24)
#define TASKS_PER_WORKER 16

#define STRIPS_PER_WORKER 4

/* A hyperbolic tangent in multiply-adds. */
#define TANH_WORK 24.0

/* The stages, behind what the plan has already. */
static void plan_stages(forward_plan *plan)
{
    const size_t k_row = (size_t)staged_row(plan->d->D) * sizeof(float),
                 v_row = (size_t)staged_row(plan->d->DV) * sizeof(float), queries = (size_t)plan->block_queries;
    plan->q = plan->worker;
    plan->o = plan->q + queries * k_row;
    plan->k = plan->o + queries * v_row;
    plan->v = plan->k + FORWARD_CHUNK * k_row;
    plan->worker = plan->v + FORWARD_CHUNK * v_row;
}

/* Of a block; it must be known that they fit. */
static size_t scratch_bytes(const forward_plan *plan)
{
    const size_t D = (size_t)plan->d->D, DV = (size_t)plan->d->DV;
    return (plan->lanes ? forward_lanes_scratch(D, DV) : forward_rows_scratch(DV)) * sizeof(float);
}

/* A worker's piece, in bytes, into *plan. */
static attn_status plan_workspace(forward_plan *plan, size_t *bytes)
{
    const attn_desc *d = plan->d;
    size_t width, few, all, tile = (size_t)FORWARD_CHUNK * sizeof(float);
    tile *= plan->lanes ? FORWARD_LANE_QUERIES : FORWARD_ROW_QUERIES;
    const bool fits = forward_few_plan(&plan->few, d, &few) && checked_add((size_t)d->D, (size_t)d->DV, &width) &&
                      checked_mul(width, 2 * (FORWARD_STRIP * FORWARD_LANE_QUERIES + FORWARD_CHUNK), &all) &&
                      checked_mul(all, sizeof(float) * PARALLEL_MAX_THREADS, &all);
    if (!fits || !checked_whole(scratch_bytes(plan), ATTN_ALIGNMENT, &plan->scratch))
        return status_fail(ATTN_ERROR_OVERFLOW, "the workspace for D = %lld, DV = %lld does not fit", (long long)d->D,
                           (long long)d->DV);
    plan->modification = plan->scratch * (size_t)(plan->strip_queries / plan->block_queries);
    plan->dropout = plan->modification + tile;
    plan->worker = plan->dropout + (d->dropout > 0 ? tile : 0);
    if (staged_type(d->dtype)) plan_stages(plan);
    plan->heads_abreast = few ? 1 : forward_heads_abreast(d);
    if (few > plan->worker) plan->worker = few;
    if (forward_abreast_bytes(d) > plan->worker) plan->worker = forward_abreast_bytes(d);
    int64_t workers = parallel_workers(&d->parallel);
    *bytes = plan->worker * (size_t)(workers < plan->tasks ? workers : plan->tasks);
    return ATTN_OK;
}

/* How many of S keys so many queries beside each other see at most, by causal mask and window. */
static double most_seen(const attn_desc *d, int64_t queries, int64_t S)
{
    const int64_t right = d->causal ? 0 : d->window_right;
    if (d->window_left < 0 || right < 0) return (double)S;
    const double seen = (double)d->window_left + (double)right + (double)queries;
    return seen < (double)S ? seen : (double)S;
}

/* A strip's multiply-adds, of a sequence of average lengths where these differ. */
static double strip_work(const forward_plan *plan)
{
    const attn_desc *d = plan->d;
    int64_t T = d->query_starts && d->B ? d->T / d->B : d->T, S = d->key_starts && d->B ? d->S / d->B : d->S;
    int64_t queries = T < plan->strip_queries ? T : plan->strip_queries;
    double score = d->score == ATTN_SCORE_ADDITIVE ? TANH_WORK : 1;
    return (double)queries * most_seen(d, queries, S) * (score * (double)d->D + (double)d->DV);
}

/* How many strips the heads are cut into. */
static void cut_heads(forward_plan *plan, int64_t strip_queries)
{
    const attn_desc *d = plan->d;
    plan->strip_queries = strip_queries;
    plan->head_strips = d->T / strip_queries + (d->T % strip_queries != 0);
    plan->strips = d->B * d->H * plan->head_strips;
    if (d->query_starts && plan->strips) plan->strips = d->H * sequence_query_pieces(d, d->B, strip_queries);
}

/* Strips of several blocks where something is staged that they can share, and enough of them are left for every worker
 * to have some. The bits know nothing of it. */
static void cut_strips(forward_plan *plan)
{
    cut_heads(plan, plan->block_queries);
    if (!plan->lanes || !staged_type(plan->d->dtype)) return;
    int64_t blocks = plan->strips / (STRIPS_PER_WORKER * parallel_workers(&plan->d->parallel));
    if (blocks > FORWARD_STRIP) blocks = FORWARD_STRIP;
    if (blocks > plan->head_strips) blocks = plan->head_strips;
    if (blocks > 1) cut_heads(plan, blocks * plan->block_queries);
}

/* How many strips make a task; with one worker, all. */
static int64_t strips_of_task(const forward_plan *plan)
{
    const int workers = parallel_workers(&plan->d->parallel);
    if (workers == 1) return plan->strips ? plan->strips : 1;
    const double work = strip_work(plan);
    const int64_t least = work >= TASK_WORK ? 1 : (int64_t)(TASK_WORK / (work + TASK_WORK / 1024)) + 1;
    const int64_t most = plan->strips / (TASKS_PER_WORKER * workers);
    const double run = RUN_WORK / (work + RUN_WORK / 1024);
    const int64_t strips = run < (double)most ? (int64_t)run : most;
    return strips > least ? strips : least;
}

static attn_status plan_forward(const attn_desc *d, forward_plan *plan, size_t *bytes)
{
    const bool lanes = forward_goes_in_lanes(d);
    *bytes = 0;
    if (d->dtype == ATTN_DTYPE_F64) return ATTN_OK;
    *plan = (forward_plan){.d = d,
                           .table = kernels_table(),
                           .lanes = lanes,
                           .block_queries = lanes ? FORWARD_LANE_QUERIES : FORWARD_ROW_QUERIES};
    cut_strips(plan);
    plan->task_strips = strips_of_task(plan);
    plan->tasks = plan->strips / plan->task_strips + (plan->strips % plan->task_strips != 0);
    return plan_workspace(plan, bytes);
}

/* Where strip n of all is, false where it is nobody's: head after head of each sequence, or, where queries are packed,
 * sequence after sequence of each head. A head's last strip comes first: with a causal mask it is the longest. */
static bool strip_at(const forward_plan *plan, int64_t n, attn_desc *own, strip_place *place)
{
    int64_t h = n / plan->head_strips % plan->d->H, b = n / plan->head_strips / plan->d->H,
            index = n % plan->head_strips;
    if (plan->d->query_starts) {
        int64_t pieces = plan->strips / plan->d->H, at = n % pieces;
        h = n / pieces;
        b = sequence_of_piece(plan->d, sequence_query_pieces, plan->strip_queries, at);
        index = at - sequence_query_pieces(plan->d, b, plan->strip_queries);
    }
    const attn_desc *d = sequence_read(plan->d, b, own);
    int64_t strips = (d->T + plan->strip_queries - 1) / plan->strip_queries;
    *place = (strip_place){d, b, h, (strips - 1 - index) * plan->strip_queries};
    return index < strips;
}

/* Strips first .. last - 1, each a head's one query: those of several heads go with the first of these. */
static void run_abreast(const forward_plan *plan, int64_t first, int64_t last, char *piece)
{
    const int64_t H = plan->d->H, heads = plan->heads_abreast;
    for (int64_t n = first; n < last; n++)
        if (n % H % heads == 0) forward_abreast_run(plan->d, n / H, n % H, heads, piece);
}

static void forward_task(void *argument, int64_t task, int worker)
{
    const forward_plan *plan = argument;
    char *piece = plan->workspace + (size_t)worker * plan->worker;
    const int64_t first = task * plan->task_strips,
                  last = plan->strips - first < plan->task_strips ? plan->strips : first + plan->task_strips;
    if (plan->heads_abreast > 1) {
        run_abreast(plan, first, last, piece);
        return;
    }
    attn_desc own[2]; /* this strip's and the next one's */
    strip_place place, next;
    bool found = false;
    for (int64_t n = first, even = 0; n < last; n++) {
        if (!strip_at(plan, n, &own[even], &next)) continue;
        if (found) forward_strip(plan, &place, &next, piece);
        place = next, found = true, even = !even;
    }
    if (found) forward_strip(plan, &place, NULL, piece);
}

attn_status attn_forward_workspace_size(const attn_desc *desc, size_t *size)
{
    attn_desc d;
    forward_plan plan;
    size_t bytes = 0;
    attn_status status = size ? descriptor_read(desc, &d)
                              : status_fail(ATTN_ERROR_ARGUMENT, "size is NULL, expected where to put the size");
    if (!status) status = plan_forward(&d, &plan, &bytes);
    if (!status) *size = bytes;
    return status;
}

attn_status attn_forward(const attn_desc *desc, void *workspace, size_t workspace_size)
{
    attn_desc d;
    forward_plan plan;
    size_t bytes = 0;
    attn_status status = descriptor_read(desc, &d);
    if (!status) status = plan_forward(&d, &plan, &bytes);
    if (!status) status = descriptor_check_inputs(&d, true);
    if (!status) status = array_check_output("o", &d.o, d.dtype, sequence_query_batches(&d), d.H, d.T, d.DV);
    if (!status && d.lse.data)
        status = array_check_output("lse", &d.lse, sum_type(d.dtype), sequence_query_batches(&d), d.H, d.T, 1);
    if (!status) status = array_check_workspace(workspace, workspace_size, bytes);
    if (status || !descriptor_writes_rows(&d)) return status;
    if (d.dtype == ATTN_DTYPE_F64) {
        f64_forward(&d);
        return ATTN_OK;
    }
    plan.workspace = workspace;
    parallel_run(&d.parallel, plan.tasks, forward_task, &plan);
    return ATTN_OK;
}
