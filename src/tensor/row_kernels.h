/* The arithmetic of the operations that are not products, over runs and rows of floats: one body (row_kernels_body.h)
 * built once per instruction set, chosen once at run time. ATTN_CPU=scalar|avx2|... caps the choice.
 *
 * Every sum has a fixed order within an instruction set. Runs may be of any length and alignment; `y` and `x` may be
 * the same run, but must not overlap otherwise. */
#ifndef TENSOR_ROW_KERNELS_H
#define TENSOR_ROW_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct adam_terms {
    float rate, beta1, beta2, epsilon, decay; /* decay: rate * weight decay, taken from the value itself */
    float correction1, correction2;           /* 1 / (1 - beta1^t), 1 / (1 - beta2^t) */
    float grad_scale;                         /* every gradient is multiplied by it first: clipping */
} adam_terms;

/* Elements whose draws are made at a time, and the words that they fill. */
enum { DROPOUT_RUN = 512, DROPOUT_WORDS = DROPOUT_RUN / 32 };

static inline int64_t dropout_words(int64_t n)
{
    return (n + DROPOUT_RUN - 1) / DROPOUT_RUN * DROPOUT_WORDS;
}

typedef struct row_kernels {
    const char *name;

    /* y += x */
    void (*add)(int64_t n, const float *x, float *y);
    /* y *= x */
    void (*multiply)(int64_t n, const float *x, float *y);
    /* y = s * x */
    void (*scale)(int64_t n, float s, const float *x, float *y);
    /* y += s * x */
    void (*add_scaled)(int64_t n, float s, const float *x, float *y);
    /* z = x + y */
    void (*sum)(int64_t n, const float *x, const float *y, float *z);
    /* y = x in bf16, rounded to nearest, ties to even; NaN stays NaN. */
    void (*narrow)(int64_t n, const float *x, uint16_t *y);
    /* The same of rows, and their columns' sums added to sums, in the order of the rows. */
    void (*narrow_and_sum)(int64_t rows, int64_t columns, const float *x, uint16_t *y, float *sums);
    /* sums[j] += the sum over `rows` of x[r * columns + j], x bf16. */
    void (*narrow_sums)(int64_t rows, int64_t columns, const uint16_t *x, float *sums);
    /* dy *= slopes, both bf16, and the columns' sums, not rounded, added to sums. */
    void (*narrow_slopes_back)(int64_t rows, int64_t columns, const uint16_t *slopes, uint16_t *dy, float *sums);
    /* The sum of x^2, in double. */
    double (*square_sum)(int64_t n, const float *x);
    /* sums[j] += the sum over `rows` of x[r * stride + j], j < columns, in the order of the rows */
    void (*column_sums)(int64_t rows, int64_t columns, int64_t stride, const float *x, float *sums);

    /* y = x * keep / (1 - p), `keep` drawn from Philox(key, block), four elements a block: element i of the run is word
     * i % 4 of block first + i / 4. The draws are left in `bits`, dropout_words(n) words in an order of the
     * instruction set's own. */
    void (*dropout)(int64_t n, uint64_t key, uint64_t first, float p, const float *x, float *y, uint32_t *bits);
    /* dx = dy * keep / (1 - p) by the draws that the former left; the second adds to dx instead. */
    void (*dropout_back)(int64_t n, float p, const uint32_t *bits, const float *dy, float *dx);
    void (*dropout_back_add)(int64_t n, float p, const uint32_t *bits, const float *dy, float *dx);

    /* Activations y = act(x) and, of the result y, dy *= act'(x) in place. */
    void (*relu)(int64_t n, const float *x, float *y);
    void (*relu_back)(int64_t n, const float *y, float *dy);
    void (*tanh)(int64_t n, const float *x, float *y);
    void (*tanh_back)(int64_t n, const float *y, float *dy);
    /* Those whose slope does not follow from the result; and with x overwritten by act'(x), which shares most of its
     * arithmetic with act(x). */
    void (*gelu)(int64_t n, const float *x, float *y);
    void (*gelu_and_slope)(int64_t n, float *x, float *y);
    void (*swish)(int64_t n, const float *x, float *y);
    void (*swish_and_slope)(int64_t n, float *x, float *y);

    /* y = act(y) in place and slopes = act'(y), both rounded to bf16, in the order of `activation`: none first, which
     * is NULL. */
    void (*narrow_activations[5])(int64_t n, uint16_t *y, uint16_t *slopes);

    /* Rows of D: s = x + residual (s and residual may be NULL together with s = x), y = gamma * (s - mean) * inverse +
     * beta, inverse = 1 / sqrt(var + epsilon); mean and inverse of each row are kept, and y narrowed, where not NULL.
     */
    void (*layer_norm)(int64_t rows, int64_t D, float epsilon, const float *x, const float *residual,
                       const float *gamma, const float *beta, float *s, float *mean, float *inverse, float *y,
                       uint16_t *narrowed);
    /* ds of the same rows, and dgamma and dbeta added to (either may be NULL). */
    void (*layer_norm_back)(int64_t rows, int64_t D, const float *s, const float *mean, const float *inverse,
                            const float *gamma, const float *dy, float *ds, float *dgamma, float *dbeta);

    /* One row of logits x (V): its log-sum-exp and its plain sum. */
    void (*log_sum_exp)(int64_t V, const float *x, double *lse, double *sum);
    /* The same, and x becomes factor * (softmax(x) - smoothing / V), the target's share still to be subtracted. */
    void (*softmax_gradient)(int64_t V, float factor, float smoothing, float *x, double *lse, double *sum);

    /* One step of Adam (Kingma and Ba 2015, algorithm 1) with decoupled weight decay (Loshchilov and Hutter 2019). */
    void (*adam)(int64_t n, const adam_terms *terms, const float *grad, float *m, float *v, float *value);
} row_kernels;

const row_kernels *row_kernels_get(void);

#endif
