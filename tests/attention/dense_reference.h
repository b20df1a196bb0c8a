/* Attention in fp64 on dense T x S matrices, forward and backward, written from the formulas alone: what the tiled
 * operator is compared with. It reads a descriptor's fp32 arrays once; after that its inputs are doubles, which a test
 * may change a little to take a derivative by differences. */
#ifndef TESTS_DENSE_H
#define TESTS_DENSE_H

#include "attn/attn.h"

typedef struct dense {
    const attn_desc *d;
    double *q, *k, *v, *bias;   /* (B, H, T, D), (B, HK, S, D), (B, HK, S, DV), (B, H, T, S) */
    double *score_vector;       /* (H, D), of additive scores */
    double *sinks, *grad_sinks; /* (H); -inf without */
    double *slopes, *grad_slopes,
        *slope_sizes;          /* (H); 0 without; what their gradients' terms are made of, signs aside */
    double *keep, *dropout;    /* (B, H, T, S): 1 where the pair is kept; dropout's factors */
    double *weights, *o, *lse; /* (B, H, T, S), (B, H, T, DV), (B, H, T): dense_forward */
    double *grad_o, *grad_lse; /* (B, H, T, DV), (B, H, T): zeros without */
    bool differentiated;       /* dense_backward has run */
    double *grad_score_vector; /* as score_vector */
    double *grad_q, *grad_k, *grad_v, *grad_bias; /* as their inputs: dense_backward */
} dense;

/* What a reference is made of: zeros to be freed; an array's fp32 rows (B, heads, rows, columns), zeros where it has no
 * data; and a^T b. */
double *dense_array(int64_t count);
double *dense_rows(const attn_view *view, int64_t B, int64_t heads, int64_t rows, int64_t columns);
double dense_dot(const double *a, const double *b, int64_t n);

/* Keys and values that no query attends to are read as 0. */
dense dense_create(const attn_desc *d);
void dense_destroy(dense *x);

void dense_forward(dense *x);

/* After dense_forward; a second call does nothing. */
void dense_backward(dense *x);

/* The sum of grad_o .* o and of grad_lse .* lse, where that is finite, after running forward: the loss whose gradients
 * dense_backward gives. */
double dense_loss(dense *x);

#endif
