#include "tensor/dense.h"

#include "base/status.h"
#include "tensor/factors.h"
#include "tensor/product_cache.h"
#include "tensor/used_instructions.h"

#include <stdlib.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

/* oneDNN takes its thread count from the calling thread's setting, at compilation and at each run. Returns what it was.
 */
static int set_threads(int threads)
{
#ifdef _OPENMP
    const int before = omp_get_max_threads();
    if (before != threads) omp_set_num_threads(threads);
    return before;
#else
    return threads;
#endif
}

static attn_status acquire_and_run(const product_key *key, const dense_packed *packed, const void *a, const void *b,
                                   const float *bias, float *c)
{
    cached_product *p = NULL;
    attn_status s = cached_product_acquire(&p, key, packed);
    if (s != ATTN_OK) return s;
    s = product_run(p->product, a, b, bias, c);
    cached_product_release(p);
    return s;
}

static attn_status multiply(const product_key *key, const dense_packed *packed, const void *a, const void *b,
                            const float *bias, float *c)
{
    const int before = set_threads(key->threads);
    attn_status s = acquire_and_run(key, packed, a, b, bias, c);
    set_threads(before);
    return s;
}

/* A product over no terms: c is the bias, or zero, or unchanged. */
static void empty_product(int64_t M, int64_t N, const float *bias, bool accumulate, float *c)
{
    for (int64_t i = 0; i < M; i++)
        for (int64_t j = 0; j < N; j++) c[i * N + j] = (accumulate ? c[i * N + j] : 0) + (bias ? bias[j] : 0);
}

attn_status dense_supports(dense_type type)
{
    if (type == DENSE_FP32 || (onednn_multiplies_bf16() && uses_bf16_products())) return ATTN_OK;
    return status_fail(ATTN_ERROR_UNSUPPORTED, "no bf16 products on this CPU, expected AVX512_BF16 or AMX");
}

/* From this many rows on, a product on a copy of its second factor as it likes it best takes less time, the copying
 * included. */
#define ROWS_WORTH_PACKING 1024

attn_status dense_multiply(dense_type type, int threads, int64_t M, int64_t N, int64_t K, const float *a,
                           bool transpose_a, const float *b, bool transpose_b, const float *bias, bool accumulate,
                           float *c)
{
    if (M == 0 || N == 0) return ATTN_OK;
    if (K == 0) {
        empty_product(M, N, bias, accumulate, c);
        return ATTN_OK;
    }
    product_key key;
    memset(&key, 0, sizeof key); /* keys are compared by their bytes */
    key.M = M;
    key.N = N;
    key.K = K;
    key.threads = threads;
    key.type = (uint8_t)type;
    key.transpose_a = transpose_a;
    key.transpose_b = transpose_b;
    key.bias = bias != NULL;
    key.accumulate = accumulate;
    key.b_form = M < ROWS_WORTH_PACKING ? IN_ROWS : TO_BE_PACKED;
    if (type == DENSE_FP32) return multiply(&key, NULL, a, b, bias, c);
    /* In bf16 oneDNN is two to four times slower on a transposed first factor than on a copy of it in rows. */
    key.transpose_a = 0;
    const factor_copy copy_a = {transpose_a, transpose_a ? K : M, transpose_a ? M : K, a, NULL};
    const factor_copy copy_b = {false, transpose_b ? N : K, transpose_b ? K : N, b, NULL};
    const void *rows_a = factor_narrow(SCRATCH_A, threads, copy_a);
    const void *rows_b = key.b_form == TO_BE_PACKED ? b : factor_narrow(SCRATCH_B, threads, copy_b);
    if (!rows_a || !rows_b) return status_fail(ATTN_ERROR_MEMORY, "no memory for the factors of a product");
    return multiply(&key, NULL, rows_a, rows_b, bias, c);
}

attn_status dense_pack(dense_packed **out, dense_type type, int threads, int64_t N, int64_t K, const float *values,
                       bool transposed)
{
    if (N < 1 || K < 1)
        return status_fail(ATTN_ERROR_ARGUMENT, "weights (%lld, %lld) to pack", (long long)N, (long long)K);
    dense_packed *b = calloc(1, sizeof *b);
    if (!b) return status_fail(ATTN_ERROR_MEMORY, "no memory to pack weights");
    b->N = N;
    b->K = K;
    b->type = type;
    const int before = set_threads(threads);
    attn_status s = packed_fill(b, values, transposed);
    set_threads(before);
    if (s == ATTN_OK)
        *out = b;
    else
        dense_packed_destroy(b);
    return s;
}

void dense_packed_destroy(dense_packed *b)
{
    if (!b) return;
    packed_clear(b);
    free(b);
}

attn_status dense_multiply_packed(int threads, int64_t M, const float *a, const dense_packed *b, const float *bias,
                                  bool accumulate, float *c)
{
    if (M == 0) return ATTN_OK;
    product_key key;
    memset(&key, 0, sizeof key);
    key.M = M;
    key.N = b->N;
    key.K = b->K;
    key.threads = threads;
    key.type = (uint8_t)b->type;
    key.b_form = PACKED;
    key.bias = bias != NULL;
    key.accumulate = accumulate;
    if (b->type == DENSE_FP32) return multiply(&key, b, a, b->values, bias, c);
    const void *rows = factor_narrow(SCRATCH_A, threads, (factor_copy){false, M, b->K, a, NULL});
    if (!rows) return status_fail(ATTN_ERROR_MEMORY, "no memory for the factors of a product");
    return multiply(&key, b, rows, b->values, bias, c);
}

void dense_library(char *text, size_t size)
{
    onednn_version(text, size);
}
