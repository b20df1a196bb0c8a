#include "attn/attn.h"

#include "attention/descriptor.h"
#include "attention/f64_row.h"
#include "attention/sequence.h"
#include "attention/staged_rows.h"
#include "attention/visible.h"
#include "base/checked.h"
#include "base/parallel.h"
#include "base/status.h"
#include "kernels/kernels.h"

/* How one call is cut: blocks of queries of one head; a task is a run of blocks, so that no task is too small to be
 * worth handing out. Every worker has its own piece of the workspace:
 *
 *     [kernel's scratch | modification tile | dropout tile | stages of Q, O, a chunk's K and V]
 *
 * the stages for types other than fp32 alone. */
typedef struct forward_plan {
    const attn_desc *d;
    const kernel_table *table;
    bool lanes;            /* some sequences' queries go in lanes */
    int64_t block_queries; /* in a block, at most */
    int64_t head_blocks, blocks, task_blocks, tasks;
    size_t modification, dropout, worker; /* offsets into a worker's piece, and its size, in bytes */
    size_t q, o, k, v;                    /* likewise: the stages */
    char *workspace;
} forward_plan;

/* Multiply-adds that make a task worth handing out: some microseconds. */
#define TASK_WORK (1 << 18)

/* A hyperbolic tangent in multiply-adds. */
#define TANH_WORK 24.0

static size_t whole_lines(size_t bytes)
{
    return (bytes + ATTN_ALIGNMENT - 1) & ~(size_t)(ATTN_ALIGNMENT - 1);
}

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

/* A worker's piece, in bytes, into *plan. */
static attn_status plan_workspace(forward_plan *plan, size_t *bytes)
{
    const attn_desc *d = plan->d;
    size_t width, tile = (size_t)FORWARD_CHUNK * sizeof(float), all;
    tile *= plan->lanes ? FORWARD_LANE_QUERIES : FORWARD_ROW_QUERIES;
    if (!checked_add((size_t)d->D, (size_t)d->DV, &width) ||
        !checked_mul(width, 2 * (FORWARD_LANE_QUERIES + FORWARD_CHUNK), &all) ||
        !checked_mul(all, sizeof(float) * PARALLEL_MAX_THREADS, &all))
        return status_fail(ATTN_ERROR_OVERFLOW, "the workspace for D = %lld, DV = %lld does not fit", (long long)d->D,
                           (long long)d->DV);
    size_t scratch =
        plan->lanes ? forward_lanes_scratch((size_t)d->D, (size_t)d->DV) : forward_rows_scratch((size_t)d->DV);
    plan->modification = whole_lines(scratch * sizeof(float));
    plan->dropout = plan->modification + tile;
    plan->worker = plan->dropout + (d->dropout > 0 ? tile : 0);
    if (staged_type(d->dtype)) plan_stages(plan);
    int64_t workers = parallel_workers(&d->parallel);
    *bytes = plan->worker * (size_t)(workers < plan->tasks ? workers : plan->tasks);
    return ATTN_OK;
}

/* Whether a sequence goes in lanes: few queries, and additive scores, go in rows. */
static bool goes_in_lanes(const attn_desc *d)
{
    return d->T > FORWARD_ROW_QUERIES && d->score != ATTN_SCORE_ADDITIVE;
}

/* Whether its products are those of bf16, without a stage but for V's pairs. */
static bool multiplies_pairs(const forward_plan *plan, const attn_desc *d)
{
    return d->dtype == ATTN_DTYPE_BF16 && goes_in_lanes(d) && plan->table->forward_pairs.step;
}

/* A block's multiply-adds, of a sequence of average lengths where these differ. */
static double block_work(const forward_plan *plan)
{
    const attn_desc *d = plan->d;
    int64_t T = d->query_starts && d->B ? d->T / d->B : d->T, S = d->key_starts && d->B ? d->S / d->B : d->S;
    int64_t queries = T < plan->block_queries ? T : plan->block_queries;
    double score = d->score == ATTN_SCORE_ADDITIVE ? TANH_WORK : 1;
    return (double)queries * (double)S * (score * (double)d->D + (double)d->DV);
}

static attn_status plan_forward(const attn_desc *d, forward_plan *plan, size_t *bytes)
{
    const bool lanes = goes_in_lanes(d);
    *bytes = 0;
    if (d->dtype == ATTN_DTYPE_F64) return ATTN_OK;
    *plan = (forward_plan){.d = d,
                           .table = kernels_table(),
                           .lanes = lanes,
                           .block_queries = lanes ? FORWARD_LANE_QUERIES : FORWARD_ROW_QUERIES};
    plan->head_blocks = d->T / plan->block_queries + (d->T % plan->block_queries != 0);
    plan->blocks = d->B * d->H * plan->head_blocks;
    if (d->query_starts && plan->blocks) plan->blocks = d->H * sequence_query_pieces(d, d->B, plan->block_queries);
    double work = block_work(plan);
    plan->task_blocks = work >= TASK_WORK ? 1 : (int64_t)(TASK_WORK / (work + TASK_WORK / 1024)) + 1;
    plan->tasks = plan->blocks / plan->task_blocks + (plan->blocks % plan->task_blocks != 0);
    return plan_workspace(plan, bytes);
}

/* Everything of one block but its keys: head h of sequence b, from query `first`. */
static forward_block block_at(const forward_plan *plan, const attn_desc *d, int64_t b, int64_t h, int64_t first,
                              char *piece)
{
    const int64_t queries = d->T - first < plan->block_queries ? d->T - first : plan->block_queries;
    const bool staged = staged_type(d->dtype), paired = multiplies_pairs(plan, d);
    staged_rows q = {NULL, d->q.row};
    if (!paired)
        q = staged_rows_read(plan->table, d->dtype, &d->q, b, h, first, queries, d->D, (float *)(piece + plan->q));
    return (forward_block){.queries = queries,
                           .D = d->D,
                           .DV = d->DV,
                           .scale = d->scale,
                           .softcap = d->softcap,
                           .q = q.data,
                           .q_bf16 = paired ? bf16_at(&d->q, b, h, first) : NULL,
                           .q_row = q.row,
                           .score_vector = view_at(&d->score_vector, 0, h, 0),
                           .sink = d->sinks ? d->sinks + h : NULL,
                           .o = staged ? (float *)(piece + plan->o) : output_at(&d->o, b, h, first),
                           .o_row = staged ? staged_row(d->DV) : d->o.row,
                           .lse = output_at(&d->lse, b, h, first),
                           .lse_row = d->lse.row,
                           .function = {.call = d->score_function,
                                        .user = d->score_user,
                                        .at = d->score_function ? visible_place(d, b, h, first, 0) : (attn_tile){0}},
                           .scratch = (float *)piece};
}

/* Keys j .. j + keys - 1 of a key head, for products of pairs. */
static forward_chunk paired_chunk_at(const forward_plan *plan, const attn_desc *d, int64_t b, int64_t head, int64_t j,
                                     int64_t keys, char *piece)
{
    uint32_t *pairs = (uint32_t *)(piece + plan->v), *packed = (uint32_t *)(piece + plan->k);
    const uint16_t *k = bf16_at(&d->k, b, head, j);
    const bool as_it_stands = !plan->table->pack_keys;
    if (!as_it_stands) plan->table->pack_keys(k, d->k.row, keys, d->D, packed);
    plan->table->pack_values(bf16_at(&d->v, b, head, j), d->v.row, keys, d->DV, pairs);
    return (forward_chunk){.k_bf16 = as_it_stands ? k : (const uint16_t *)packed,
                           .k_row = d->k.row,
                           .v_pairs = pairs,
                           .v_row = d->DV,
                           .key = j,
                           .keys = keys};
}

/* The same for all others. */
static forward_chunk chunk_at(const forward_plan *plan, const attn_desc *d, int64_t b, int64_t head, int64_t j,
                              int64_t keys, char *piece)
{
    const staged_rows k =
        staged_rows_read(plan->table, d->dtype, &d->k, b, head, j, keys, d->D, (float *)(piece + plan->k));
    const staged_rows v =
        staged_rows_read(plan->table, d->dtype, &d->v, b, head, j, keys, d->DV, (float *)(piece + plan->v));
    return (forward_chunk){.k = k.data, .v = v.data, .k_row = k.row, .v_row = v.row, .key = j, .keys = keys};
}

/* The same with its keys; d is sequence b's. */
static void forward_one_block(const forward_plan *plan, const attn_desc *d, int64_t b, int64_t h, int64_t first,
                              char *piece)
{
    const forward_block block = block_at(plan, d, b, h, first, piece);
    const bool in_lanes = goes_in_lanes(d), paired = multiplies_pairs(plan, d);
    const forward_kernels *kernels = paired     ? &plan->table->forward_pairs
                                     : in_lanes ? &plan->table->forward_lanes
                                                : &plan->table->forward_rows;
    int64_t lanes = kernels->lanes, kv_head = h / (d->H / d->HK);
    int64_t query_step = in_lanes ? 1 : FORWARD_CHUNK;
    int64_t key_step = in_lanes ? (block.queries + lanes - 1) / lanes * lanes : 1;
    float *modification = (float *)(piece + plan->modification), *factors = (float *)(piece + plan->dropout);
    const dropout_draw draw = {.key = d->dropout > 0 ? d->dropout_keys[b] : 0,
                               .head = (uint32_t)h,
                               .threshold = dropout_threshold(d->dropout),
                               .kept_factor = 1 / (1 - d->dropout)};
    kernels->begin(&block);
    key_range keys = visible_keys_of(d, b, first, block.queries);
    /* Chunks start at multiples of FORWARD_CHUNK whatever the range, so that the bits of a window agree with those of
     * a mask that says the same. */
    for (int64_t j = keys.first; j < keys.last; j += FORWARD_CHUNK) {
        j = visible_next(d, b, h, first, block.queries, j);
        if (j >= keys.last) break;
        j -= j % FORWARD_CHUNK;
        int64_t count = keys.last - j < FORWARD_CHUNK ? keys.last - j : FORWARD_CHUNK;
        visible_kind kind = visible_tile(d, b, h, first, block.queries, j, count, modification, query_step, key_step);
        if (kind == VISIBLE_NONE) continue;
        if (d->dropout > 0)
            plan->table->dropout_factors(
                &draw, &(dropout_tile){first, block.queries, j, count, factors, query_step, key_step});
        forward_chunk chunk = (paired ? paired_chunk_at : chunk_at)(plan, d, b, kv_head, j, count, piece);
        chunk.modification = visible_modifies(kind) ? modification : NULL;
        chunk.masked = kind == VISIBLE_SOME;
        chunk.dropout = d->dropout > 0 ? factors : NULL;
        kernels->step(&block, &chunk);
    }
    kernels->finish(&block);
    if (staged_type(d->dtype))
        staged_rows_write(plan->table, d->dtype, block.o, &d->o, b, h, first, block.queries, d->DV);
}

/* Block n of all: head after head of each sequence, or, where queries are packed, sequence after sequence of each head.
 * A head's last block comes first: with a causal mask it is the longest. */
static void forward_block_of(const forward_plan *plan, int64_t n, char *piece)
{
    int64_t h = n / plan->head_blocks % plan->d->H, b = n / plan->head_blocks / plan->d->H,
            index = n % plan->head_blocks;
    if (plan->d->query_starts) {
        int64_t pieces = plan->blocks / plan->d->H, at = n % pieces;
        h = n / pieces;
        b = sequence_of_piece(plan->d, sequence_query_pieces, plan->block_queries, at);
        index = at - sequence_query_pieces(plan->d, b, plan->block_queries);
    }
    attn_desc own;
    const attn_desc *d = sequence_read(plan->d, b, &own);
    int64_t blocks = (d->T + plan->block_queries - 1) / plan->block_queries;
    if (index < blocks) forward_one_block(plan, d, b, h, (blocks - 1 - index) * plan->block_queries, piece);
}

static void forward_task(void *argument, int64_t task, int worker)
{
    const forward_plan *plan = argument;
    char *piece = plan->workspace + (size_t)worker * plan->worker;
    int64_t last = (task + 1) * plan->task_blocks < plan->blocks ? (task + 1) * plan->task_blocks : plan->blocks;
    for (int64_t n = task * plan->task_blocks; n < last; n++) forward_block_of(plan, n, piece);
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
    if (!status) status = descriptor_check_output("o", &d.o, d.dtype, sequence_query_batches(&d), d.H, d.T, d.DV);
    if (!status && d.lse.data)
        status = descriptor_check_output("lse", &d.lse, sum_type(d.dtype), sequence_query_batches(&d), d.H, d.T, 1);
    if (!status) status = descriptor_check_workspace(workspace, workspace_size, bytes);
    if (!status && d.dtype == ATTN_DTYPE_F64) f64_forward(&d);
    if (status || !bytes) return status;
    plan.workspace = workspace;
    parallel_run(&d.parallel, plan.tasks, forward_task, &plan);
    return ATTN_OK;
}
