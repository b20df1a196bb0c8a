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
                                   const float *bias, void *c)
{
    cached_product *p = NULL;
    attn_status s = cached_product_acquire(&p, key, packed);
    if (s != ATTN_OK) return s;
    s = product_run(p->product, a, b, bias, c);
    cached_product_release(p);
    return s;
}

static attn_status no_memory(void)
{
    return status_fail(ATTN_ERROR_MEMORY, "no memory for the factors of a product");
}

static attn_status multiply(const product_key *key, const dense_packed *packed, const void *a, const void *b,
                            const float *bias, void *c)
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

/* Of a product of (M, K) and op b, compared by its bytes. */
static product_key key_of(dense_type type, int threads, int64_t M, int64_t N, int64_t K)
{
    product_key key;
    memset(&key, 0, sizeof key);
    key.M = M;
    key.N = N;
    key.K = K;
    key.threads = threads;
    key.type = (uint8_t)type;
    key.b_form = M < ROWS_WORTH_PACKING ? IN_ROWS : TO_BE_PACKED;
    return key;
}

/* a (M, K) has been narrowed already, b has not. oneDNN could narrow while it packs, but takes three to five times as
 * long for it as for both one after the other. */
static attn_status multiply_narrowed(const product_key *key, const uint16_t *a, const float *b, const float *bias,
                                     float *c)
{
    const uint16_t *narrowed = factor_narrow(SCRATCH_B, key->threads, key->K * key->N, b);
    return narrowed ? multiply(key, NULL, a, narrowed, bias, c) : no_memory();
}

attn_status dense_multiply(dense_type type, int threads, int64_t M, int64_t N, int64_t K, const float *a,
                           bool transpose_a, const float *b, bool transpose_b, const float *bias, bool accumulate,
                           float *c)
{
    if (M == 0 || N == 0) return ATTN_OK;
    if (K == 0) {
        empty_product(M, N, bias, accumulate, c);
        return ATTN_OK;
    }
    product_key key = key_of(type, threads, M, N, K);
    key.transpose_a = transpose_a;
    key.transpose_b = transpose_b;
    key.bias = bias != NULL;
    key.accumulate = accumulate;
    if (type == DENSE_FP32) return multiply(&key, NULL, a, b, bias, c);
    const uint16_t *rows = factor_narrow(SCRATCH_A, threads, M * K, a);
    return rows ? multiply_narrowed(&key, rows, b, bias, c) : no_memory();
}

/* dw and dx of a dy that is narrowed once for both. */
static attn_status narrowed_gradients(int threads, int64_t R, int64_t O, int64_t I, const float *dy,
                                      const dense_gradient *w, const dense_gradient *x)
{
    product_key key = key_of(DENSE_BF16, threads, O, I, R);
    const uint16_t *rows = factor_narrow(SCRATCH_A, threads, R * O, dy);
    if (!rows) return no_memory();
    key.transpose_a = true;
    key.accumulate = w->accumulate;
    attn_status s = w->to ? multiply_narrowed(&key, rows, w->by, NULL, w->to) : ATTN_OK;
    if (s != ATTN_OK || !x->to) return s;
    key = key_of(DENSE_BF16, threads, R, I, O);
    key.accumulate = x->accumulate;
    return multiply_narrowed(&key, rows, x->by, NULL, x->to);
}

attn_status dense_gradients(dense_type type, int threads, int64_t R, int64_t O, int64_t I, const float *dy,
                            const dense_gradient *w, const dense_gradient *x)
{
    if (!w->to && !x->to) return ATTN_OK;
    if (type == DENSE_BF16 && R && O && I) return narrowed_gradients(threads, R, O, I, dy, w, x);
    attn_status s = ATTN_OK;
    if (w->to) s = dense_multiply(type, threads, O, I, R, dy, true, w->by, false, NULL, w->accumulate, w->to);
    if (s != ATTN_OK || !x->to) return s;
    return dense_multiply(type, threads, R, I, O, dy, false, x->by, false, NULL, x->accumulate, x->to);
}

attn_status dense_multiply_narrow(int threads, const dense_narrow *p)
{
    product_key key = key_of(DENSE_BF16, threads, p->M, p->N, p->K);
    key.transpose_a = p->transpose_a;
    key.transpose_b = p->transpose_b;
    key.bias = p->bias != NULL;
    key.accumulate = p->accumulate;
    key.narrow_c = p->narrow_c != NULL;
    return multiply(&key, NULL, p->a, p->b, p->bias, p->narrow_c ? (void *)p->narrow_c : p->c);
}

attn_status dense_pack(dense_packed **out, dense_type type, int threads, int64_t N, int64_t K, const float *values,
                       bool transposed)
{
    if (N < 1 || K < 1)
        return status_fail(ATTN_ERROR_ARGUMENT, "weights (%lld, %lld) to pack", (long long)N, (long long)K);
    dense_packed *b = calloc(1, sizeof *b);
    const void *unpacked = type == DENSE_BF16 ? (const void *)factor_narrow(SCRATCH_B, threads, N * K, values) : values;
    if (!b || !unpacked) {
        free(b);
        return no_memory();
    }
    b->N = N;
    b->K = K;
    b->type = type;
    const int before = set_threads(threads);
    attn_status s = packed_fill(b, unpacked, transposed);
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
    product_key key = key_of(b->type, threads, M, b->N, b->K);
    key.b_form = PACKED;
    key.bias = bias != NULL;
    key.accumulate = accumulate;
    if (b->type == DENSE_FP32) return multiply(&key, b, a, b->values, bias, c);
    const uint16_t *rows = factor_narrow(SCRATCH_A, threads, M * b->K, a);
    return rows ? multiply(&key, b, rows, b->values, bias, c) : no_memory();
}

void dense_library(char *text, size_t size)
{
    onednn_version(text, size);
}
