#include "attn/attn.h"

#include "attention/descriptor.h"
#include "attention/visible.h"
#include "base/checked.h"
#include "base/parallel.h"
#include "base/status.h"
#include "kernels/kernels.h"

/* How one call is cut: blocks of queries of one head, each a task; every worker has its own piece of the workspace:
 *
 *     [kernel's scratch | modification tile | dropout tile] */
typedef struct forward_plan {
    const attn_desc *d;
    forward_kernels kernels;
    int64_t block_queries;                /* in a block, at most */
    int64_t blocks;                       /* of a head */
    size_t modification, dropout, worker; /* offsets into a worker's piece, and its size, in floats */
    float *workspace;
} forward_plan;

static size_t whole_lines(size_t floats)
{
    return (floats + 15) & ~(size_t)15;
}

static attn_status plan_forward(const attn_desc *d, forward_plan *plan, size_t *bytes)
{
    const kernel_table *table = kernels_table();
    *plan = (forward_plan){.d = d, .kernels = table->forward_rows, .block_queries = FORWARD_ROW_QUERIES};
    plan->blocks = d->T / plan->block_queries + (d->T % plan->block_queries != 0);
    size_t tile = FORWARD_ROW_QUERIES * FORWARD_CHUNK, o;
    if (!checked_mul((size_t)d->DV, FORWARD_ROW_QUERIES, &o) || o > SIZE_MAX / 64 / PARALLEL_MAX_THREADS)
        return status_fail(ATTN_ERROR_OVERFLOW, "the workspace for DV = %lld does not fit", (long long)d->DV);
    plan->modification = whole_lines(tile + 2 * FORWARD_ROW_QUERIES + o);
    plan->dropout = plan->modification + tile;
    plan->worker = plan->dropout + (d->dropout > 0 ? tile : 0);
    bool empty = !d->B || !d->T;
    *bytes = empty ? 0 : plan->worker * sizeof(float) * (size_t)parallel_workers(&d->parallel);
    return ATTN_OK;
}

static void forward_task(void *argument, int64_t task, int worker)
{
    const forward_plan *plan = argument;
    const attn_desc *d = plan->d;
    float *piece = plan->workspace + (size_t)worker * plan->worker, *modification = piece + plan->modification;
    int64_t first = task % plan->blocks * plan->block_queries, h = task / plan->blocks % d->H;
    int64_t b = task / plan->blocks / d->H, kv_head = h / (d->H / d->HK);
    int64_t queries = d->T - first < plan->block_queries ? d->T - first : plan->block_queries;
    const forward_block block = {.queries = queries,
                                 .D = d->D,
                                 .DV = d->DV,
                                 .scale = d->scale,
                                 .softcap = d->softcap,
                                 .q = view_at(&d->q, b, h, first),
                                 .q_row = d->q.row,
                                 .o = output_at(&d->o, b, h, first),
                                 .o_row = d->o.row,
                                 .lse = output_at(&d->lse, b, h, first),
                                 .lse_row = d->lse.row,
                                 .scratch = piece};
    plan->kernels.begin(&block);
    key_range keys = visible_keys_of(d, b, first, queries);
    /* Chunks start at multiples of FORWARD_CHUNK whatever the range, so that a window's or a mask's bits agree. */
    for (int64_t j = keys.first - keys.first % FORWARD_CHUNK; j < keys.last; j += FORWARD_CHUNK) {
        int64_t count = keys.last - j < FORWARD_CHUNK ? keys.last - j : FORWARD_CHUNK;
        visible_kind kind = visible_tile(d, b, h, first, queries, j, count, modification, FORWARD_CHUNK, 1);
        if (kind == VISIBLE_NONE) continue;
        plan->kernels.step(&block, &(forward_chunk){.k = view_at(&d->k, b, kv_head, j),
                                                    .v = view_at(&d->v, b, kv_head, j),
                                                    .k_row = d->k.row,
                                                    .v_row = d->v.row,
                                                    .keys = count,
                                                    .modification = kind == VISIBLE_SOME ? modification : NULL});
    }
    plan->kernels.finish(&block);
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
    if (!status) status = descriptor_check_output("o", &d.o, d.B, d.H, d.T, d.DV);
    if (!status && d.lse.data) status = descriptor_check_output("lse", &d.lse, d.B, d.H, d.T, 1);
    if (!status) status = descriptor_check_workspace(workspace, workspace_size, bytes);
    if (status || !bytes) return status;
    if (d.dropout > 0)
        return status_fail(ATTN_ERROR_UNSUPPORTED, "dropout = %g, expected 0 in this version", d.dropout);
    plan.workspace = workspace;
    parallel_run(&d.parallel, d.B * d.H * plan.blocks, forward_task, &plan);
    return ATTN_OK;
}
