/* Dense products through oneDNN (onednn_product.h), whose compiled products are kept by shape (product_cache.h).
 * Row-major fp32. */
#ifndef TENSOR_DENSE_H
#define TENSOR_DENSE_H

#include "attn/attn.h"

/* What the factors of a product are rounded to before they meet; sums and results are fp32 in both. */
typedef enum dense_type { DENSE_FP32, DENSE_BF16 } dense_type;

/* UNSUPPORTED where the CPU (or ATTN_CPU's cap on it) has no instructions for products of this type: they would be
 * slower than fp32. */
attn_status dense_supports(dense_type type);

/* c (M, N) = a (M, K) op b, plus c itself if accumulate:  op b is b (K, N), or b^T with b (N, K) if transpose_b;
 * a is (K, M) if transpose_a. bias (N) is added to every row if not NULL. Where rows are many, b is packed for the time
 * of the call; a row's bits are those of a product of few rows. */
attn_status dense_multiply(dense_type type, int threads, int64_t M, int64_t N, int64_t K, const float *a,
                           bool transpose_a, const float *b, bool transpose_b, const float *bias, bool accumulate,
                           float *c);

/* One gradient of a product: what dy is multiplied by, and where that goes; added if accumulate. NULL: not wanted. */
typedef struct dense_gradient {
    const float *by;
    float *to;
    bool accumulate;
} dense_gradient;

/* Those of y (R, O) = x w^T, x (R, I) and w (O, I):  dw (O, I) = dy^T x, of w with by = x, and dx (R, I) = dy w, of x
 * with by = w. The bits of dense_multiply, but dy is narrowed once. */
attn_status dense_gradients(dense_type type, int threads, int64_t R, int64_t O, int64_t I, const float *dy,
                            const dense_gradient *w, const dense_gradient *x);

/* c (M, N) = op a op b of factors that are bf16 already, plus c itself if accumulate, plus bias (N) if not NULL: in
 * fp32, or rounded to narrow_c, the other one NULL. op a is a (M, K), or a^T with a (K, M) if transpose_a; op b
 * likewise. No dimension is 0. */
typedef struct dense_narrow {
    int64_t M, N, K;
    const uint16_t *a, *b;
    bool transpose_a, transpose_b, accumulate;
    const float *bias;
    float *c;
    uint16_t *narrow_c;
} dense_narrow;

attn_status dense_multiply_narrow(int threads, const dense_narrow *p);

/* Weights laid out once as the products like them best, for as long as they do not change. */
typedef struct dense_packed dense_packed;

/* Packs the second factor of products of this type, (N, K) or, if not transposed, (K, N); a copy. */
attn_status dense_pack(dense_packed **out, dense_type type, int threads, int64_t N, int64_t K, const float *values,
                       bool transposed);
void dense_packed_destroy(dense_packed *b); /* NULL is ignored */

/* c (M, N) = a (M, K) op b, plus c itself if accumulate, plus bias (N) if not NULL, in the type of the packing. */
attn_status dense_multiply_packed(int threads, int64_t M, const float *a, const dense_packed *b, const float *bias,
                                  bool accumulate, float *c);

/* "oneDNN 2.6.3": the version that runs, cut to `size` bytes with its NUL. */
void dense_library(char *text, size_t size);

#endif
