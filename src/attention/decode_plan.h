/* What attn_decode plans before it runs: how the call is cut, and where its pieces lie. */
#ifndef ATTENTION_DECODE_PLAN_H
#define ATTENTION_DECODE_PLAN_H

#include "attention/few_queries.h"
#include "attn/attn.h"

#include <stdbool.h>

/* How one call is cut: an item is a chunk of DECODE_CHUNK keys of one key head of one sequence with all queries of the
 * heads that share it, a task a run of items. Each chunk is a partial result, with its rows' largest scores and sums,
 * and the partial results are merged in the order of the keys, behind them the sinks as one more, each the largest of
 * a sum of 1, whose O is zeros. The workspace:
 *
 *     [query offsets (B) | parts, one a chunk and the sinks' | views of their sums | zeros (DV) | a sink's sum |
 *      the parts' O (chunk, B, H, T, DV) | their largest scores (chunk, B, H, T) | sums likewise | workers]
 *
 * each worker's piece as few_queries.h has it. Queries of bf16 and fp16 become fp32 there; their results are merged in
 * fp32, in the first part's place, and rounded from there. */
typedef struct decode_plan {
    attn_desc d;
    attn_cache c;
    few_queries few;
    int64_t block_heads;             /* whose queries go through the kernel together */
    int64_t chunks;                  /* of the longest sequence */
    size_t parts, views, zeros, one; /* offsets into the workspace, in bytes */
    size_t o, largest, sum, workers; /* more of them */
    size_t worker;                   /* bytes of a worker's piece */
    int64_t items, task_items;
    char *workspace;
    attn_output part_o, part_largest, part_sum; /* the first part's */
    int64_t o_step, sum_step;                   /* from one part's to the next one's, largest scores' too */
} decode_plan;

/* The bytes of a workspace, and its offsets into the plan, of which the call and block_heads are there. */
attn_status decode_plan_workspace(decode_plan *plan, size_t *bytes);

/* The call's lengths and the workspace into the plan. The workspace is the caller's: the offsets of queries that nobody
 * gave, and the parts' places, which are returned, go there. */
attn_part *decode_lay_out(decode_plan *plan, char *workspace);

#endif
