/* Double backward in fp64 on dense matrices, from the chain rule alone, over dense_reference.h's arrays; and the loss
 * that it differentiates, so that a test can take differences of that. */
#ifndef TESTS_DENSE_SECOND_H
#define TESTS_DENSE_SECOND_H

#include "dense_reference.h"

/* Contiguous in desc's order: what is given as zeros where the caller gave none, and the gradients. */
typedef struct dense_second {
    dense *x;
    double *by_grad_q, *by_grad_k, *by_grad_v, *by_grad_sinks, *by_grad_bias; /* the last (B, H, T, S) */
    double *grad_q, *grad_k, *grad_v, *grad_grad_o, *grad_grad_lse, *grad_sinks, *grad_bias;
} dense_second;

dense_second dense_second_create(dense *x, const attn_second_order *second);
void dense_second_destroy(dense_second *s);

/* Fills the gradients. */
void dense_second_backward(dense_second *s);

/* The sum of by_grad_q .* dQ and so on, forward and backward having run again. */
double dense_second_loss(dense_second *s);

#endif
