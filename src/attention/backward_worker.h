/* One worker's way through backward's tiles, and its piece of the workspace:
 *
 *     [minus_lse | offset | delta | distance_sums | p_t | ds_t | modification | dropout | slope_t | score's | type's]
 *
 *     the score's: q_t | grad_o_t; or bent, for additive scores
 *     the type's:  stages of Q, dO, O, K, V; or, with products of pairs, p_bf16 | ds_bf16 | ds_pairs | q_pairs |
 *                  grad_o_pairs | for each tile of a chunk's keys k_pairs, with products of tiles k_tiles | v_tiles
 *
 * (slope_t for a score function alone, nothing of the type's for fp32) whose size is a constant and some rows
 * of D and of DV: nothing grows with T or S. */
#ifndef ATTENTION_BACKWARD_WORKER_H
#define ATTENTION_BACKWARD_WORKER_H

#include "attention/staged_rows.h"
#include "attn/attn.h"
#include "kernels/kernels.h"

/* What all workers share. */
typedef struct backward_plan {
    const attn_desc *d; /* its gradients of Q, K and V fp32 whatever its type: backward_sums.h */
    const kernel_table *table;
    const backward_kernels *kernels; /* the table's */
    bool paired;                     /* these multiply bf16 itself: backward_plan_pairs */
    uint32_t dropout_threshold;
    float kept_factor;
    int64_t chunk;  /* queries, and keys, in a chunk */
    int64_t pieces; /* chunks of all sequences, backward_parts.h */
    int64_t pairs;  /* chunks of the longest sequence */
    int64_t tile_queries, tile_keys;
    int64_t key_step; /* of a product's sum over keys: a tile begins a whole number of them into its place */
    float *workspace;
    size_t worker_floats;
    double *sinks, *slopes; /* parts of grad_sinks, grad_alibi_slopes and grad_score_vector: backward_parts.h */
    float *score_vectors;
    bool far;      /* backward_ahead.h */
    int64_t round; /* of the loop that runs now; backward_rounds.h and backward_bias.c each say what it means */
} backward_plan;

/* A plan for this descriptor's tiles, without its workspace. */
backward_plan backward_plan_tiles(const attn_desc *d);

/* Has the tiles' products be those of pairs of bf16, where these rows and the CPU's are such. */
void backward_plan_pairs(backward_plan *plan);

/* The floats of one worker's piece, a whole number of cache lines; false when they do not fit. */
bool backward_worker_floats(const backward_plan *plan, size_t *floats);

/* Tiles of queries, and of keys, in a chunk, but for additive scores, whose are smaller. */
#define BACKWARD_TILES 4

/* A tile's keys packed for products of pairs, which stay until other keys take their place: a chunk's keys are packed
 * once for all blocks of queries that meet them. */
typedef struct packed_keys {
    int64_t b, head, first, count; /* whose they are; count 0: nobody's */
    uint32_t *k_pairs, *k_tiles, *v_tiles;
} packed_keys;

/* A worker at a block of queries of one head. */
typedef struct backward_worker {
    const backward_plan *plan;
    const attn_desc *d; /* the sequence's: attention/sequence.h */
    int64_t b, h, first_query, first_key;
    float *modification, *dropout, *stages, *distance_sums;
    uint32_t *q_pairs, *grad_o_pairs; /* where the tile's stand, with products of pairs */
    packed_keys packed[BACKWARD_TILES];
    bool queries_finite, queries_checked; /* the former only once backward_worker_queries_finite was asked */
    bool masked;       /* the tile that backward_worker_scores filled has masked pairs, or may have */
    int64_t unwritten; /* where the tile writes its keys' rows: the pair's first key whose rows nothing wrote yet */
    backward_tile tile;
} backward_worker;

/* The worker's pieces laid out, its options set, for a sequence's descriptor; grad_scale and cap_slope as
 * backward_tile.h has them. */
void backward_worker_open(backward_worker *w, const backward_plan *plan, const attn_desc *d, int worker,
                          float grad_scale, bool cap_slope);

/* Moves to queries first .. first + count - 1 of head h of sequence b, whose descriptor is w->d. */
void backward_worker_queries(backward_worker *w, int64_t b, int64_t h, int64_t first, int64_t count);

/* Moves to keys first .. first + count - 1, their modification and dropout; false when no pair of the tile is left. */
bool backward_worker_keys(backward_worker *w, int64_t first, int64_t count);

/* The same, and fills p_t and ds_t. */
bool backward_worker_scores(backward_worker *w, int64_t first, int64_t count);

/* Whether nothing that the tile's products read is NaN or infinite: 0 times it would be NaN. */
bool backward_worker_finite(backward_worker *w);

/* The same of the block's rows of Q and dO and the head's score vector alone, looked at when first asked: where nothing
 * is masked nobody asks. */
bool backward_worker_queries_finite(backward_worker *w);

/* backward_kernels.products for a tile with masked pairs where K, Q or dO are not finite: 0 times them would be NaN in
 * rows that do not attend to them, so masked pairs are skipped one by one. */
void backward_masked_products(const backward_tile *t);

#endif
