/* One worker's way through double backward's tiles: backward's, and behind its piece of the workspace
 *
 *     [rho | sigma | ds_t | by_s_t | bias_t | u_t | stages of U, W, Y]
 *
 * (bias_t where the bias has to do with it, the stages for types other than fp32) again a constant and D rows of
 * BACKWARD_QUERIES. */
#ifndef ATTENTION_DOUBLE_WORKER_H
#define ATTENTION_DOUBLE_WORKER_H

#include "attention/backward_worker.h"
#include "kernels/kernels.h"

/* What all workers share. */
typedef struct double_plan {
    backward_plan tiles;      /* first, of a descriptor whose gradients are second's */
    attn_second_order second; /* its gradients fp32 whatever their type, too: backward_sums.h */
    const double_kernels *kernels;
    size_t first_floats;        /* of a worker's piece, backward's part */
    float *rho, *sigma, *delta; /* (B, H, T), as the queries lie, contiguous: double_tile.h */
} double_plan;

/* The floats of one worker's piece, backward's part first; false when they do not fit. */
bool double_worker_floats(double_plan *plan);

typedef struct double_worker {
    const double_plan *plan;
    attn_second_order second; /* the sequence's */
    backward_worker first;
    staged_rows u; /* the block's rows, and U^T */
    float *u_t;
    float *grad_grad_o; /* the block's rows */
    float *stages;
    double_tile tile;
} double_worker;

/* As backward_worker_open, for sequence b. tile.first stands in the worker, which must not move. */
void double_worker_open(double_worker *w, const double_plan *plan, const attn_desc *d, int64_t b, int worker);

/* As backward_worker_queries. Sums are not set. */
void double_worker_queries(double_worker *w, int64_t b, int64_t h, int64_t first, int64_t count);

/* Where a row sum of query i stands in the plan's arrays, within its sequence. */
int64_t double_sum_at(const double_plan *plan, int64_t b, int64_t h, int64_t i);

/* As backward_worker_keys. */
bool double_worker_keys(double_worker *w, int64_t first, int64_t count);

/* Adds what the tile that `scores` filled gives the gradients that are wanted. */
void double_worker_products(double_worker *w);

#endif
