/* The normaliser of a row of logits, and the gradient of their cross-entropy. For the row kernels' body. */
#ifndef TENSOR_CROSS_ENTROPY_ROWS_H
#define TENSOR_CROSS_ENTROPY_ROWS_H

#include "tensor/vector.h"

#include <math.h>

INLINE float row_largest(int64_t V, const float *x)
{
    int64_t i = 0;
    float top = x[0];
    if (V >= LANES) {
        vec a = load(x);
        for (i = LANES; i + LANES <= V; i += LANES) a = largest(a, load(x + i));
        top = lanes_largest(a);
    }
    for (; i < V; i++) top = x[i] > top ? x[i] : top;
    return top;
}

/* exp(x - top) summed, and kept in x if `keep`; x summed. */
INLINE void row_exponentials(int64_t V, float top, float *x, bool keep, double *exponentials, double *plain)
{
    vec e_sum = {0}, x_sum = {0};
    int64_t i = 0;
    for (; i + LANES <= V; i += LANES) {
        vec v = load(x + i), e = exponential(v - top);
        e_sum += e;
        x_sum += v;
        if (keep) store(x + i, e);
    }
    *exponentials = lanes_sum(e_sum);
    *plain = lanes_sum(x_sum);
    if (i == V) return;
    vec v = load_part(x + i, V - i), e = exponential(v - top);
    for (int64_t l = 0; l < V - i; l++) *exponentials += e[l];
    *plain += lanes_sum(v);
    if (keep) store_part(x + i, e, V - i);
}

static void log_sum_exp(int64_t V, const float *x, double *lse, double *plain)
{
    float top = row_largest(V, x);
    double exponentials;
    row_exponentials(V, top, (float *)(uintptr_t)x, false, &exponentials, plain);
    *lse = top + log(exponentials);
}

static void softmax_gradient(int64_t V, float factor, float smoothing, float *x, double *lse, double *plain)
{
    float top = row_largest(V, x);
    double exponentials;
    row_exponentials(V, top, x, true, &exponentials, plain);
    *lse = top + log(exponentials);
    const float scaled = (float)(factor / exponentials), shift = factor * smoothing / (float)V;
    for (int64_t i = 0; i < V; i++) x[i] = x[i] * scaled - shift;
}

#endif
