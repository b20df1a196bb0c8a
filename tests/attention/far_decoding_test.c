/* attn_decode against fp64 where a row's scores are far from 0, as additive masks and sinks put them: each key counts
 * what its score says, whichever chunk of keys it lies in and however many others do. Numbers are such that fp32 holds
 * each score as it was meant, but for what adding the mask rounds off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "attn/attn.h"
#include "base/number_format.h"
#include "base/random.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

enum { HEADS = 3, T = 2, ROWS = HEADS * T, D = 4, DV = 20, MOST_S = 1300, STEPS = 16 };

static const float masks[] = {0, -1e3f, -1e4f, -1e6f, -1e9f, -1e30f, -FLT_MAX, 1e3f, 1e9f, 1e30f};

typedef enum sink_kind { NO_SINK, AS_FAR, BELOW, ABOVE, SINK_KINDS } sink_kind;

static const char *const sink_names[] = {"no", "as far a", "a lower", "a higher"};

/* One call: scores are q . k, a whole number of sixteenths, and the mask. */
typedef struct far_call {
    attn_dtype queries, cached;
    int64_t keys;
    float mask;
    sink_kind sink;
    float q[ROWS * D], bias[T * MOST_S], sinks[HEADS], scales[MOST_S];
    float o[ROWS * DV], lse[ROWS];
    float k[MOST_S * D], v[MOST_S * DV];
} far_call;

static float drawn(uint64_t n, uint64_t stream)
{
    return (float)(random_philox(7, n, stream).word[0] % (2 * STEPS + 1)) - STEPS;
}

static void write_number(void *data, attn_dtype type, int64_t n, float x)
{
    if (type == ATTN_DTYPE_F32)
        ((float *)data)[n] = x;
    else if (type == ATTN_DTYPE_INT8)
        ((int8_t *)data)[n] = (int8_t)(x * STEPS);
    else
        ((uint16_t *)data)[n] = type == ATTN_DTYPE_BF16 ? bf16_of_float(x) : fp16_of_float(x);
}

static float key_at(int64_t j, int64_t d)
{
    return drawn((uint64_t)(j * D + d), 1) / (4 * STEPS);
}

/* Larger from chunk of keys to chunk: what these count is seen. */
static float value_at(int64_t j, int64_t c)
{
    return (float)(j / 512) + drawn((uint64_t)(j * DV + c), 2) / STEPS;
}

static float query_at(int64_t row)
{
    return row % 2 ? -1 : 2;
}

static float sink_of(const far_call *x)
{
    const float half = fabsf(x->mask) / 2;
    return x->sink == BELOW ? x->mask - half : x->sink == ABOVE ? x->mask + half : x->mask;
}

/* A row's columns of O and its log-sum-exp against fp64. */
static void check_row(const far_call *x, int64_t row)
{
    static double weights[MOST_S];
    double largest = x->sink ? sink_of(x) : -INFINITY, sum = 0;
    for (int64_t j = 0; j < x->keys; j++) {
        float dot = 0;
        for (int64_t d = 0; d < D; d++) dot += query_at(row) * key_at(j, d);
        const float score = dot + x->mask; /* as fp32 rounds it */
        weights[j] = score;
        largest = fmax(largest, score);
    }
    if (x->sink) sum = exp(sink_of(x) - largest);
    for (int64_t j = 0; j < x->keys; j++) sum += weights[j] = exp(weights[j] - largest);
    const bool fp32 = x->queries == ATTN_DTYPE_F32;
    const double near = fp32 ? 2e-6 : x->cached == ATTN_DTYPE_F32 ? 0x1p-8 : 0x1p-7;
    for (int64_t c = 0; c < DV; c++) {
        const int64_t at = row * DV + c;
        double want = 0;
        for (int64_t j = 0; j < x->keys; j++) want += weights[j] / sum * value_at(j, c);
        const float got = fp32 ? x->o[at] : bf16_to_float(((const uint16_t *)x->o)[at]);
        if (!(fabs(got - want) <= near * fmax(fabs(want), 0.25)))
            fail_msg("types %d and %d, %d keys, mask %g, %s sink, row %d, column %d: %.9g, expected %.9g",
                     (int)x->queries, (int)x->cached, (int)x->keys, x->mask, sink_names[x->sink], (int)row, (int)c, got,
                     want);
    }
    const double lse = largest + log(sum);
    if (!(fabs(x->lse[row] - lse) <= 1e-6 * fmax(fabs(lse), 1)))
        fail_msg("%d keys, mask %g, %s sink, row %d: log-sum-exp %.9g, expected %.9g", (int)x->keys, x->mask,
                 sink_names[x->sink], (int)row, x->lse[row], lse);
}

static void decode(far_call *x)
{
    attn_desc d;
    attn_cache cache;
    const int64_t lengths[] = {x->keys};
    const bool bytes = x->cached == ATTN_DTYPE_INT8;
    size_t size;
    for (int64_t j = 0; j < x->keys; j++) x->scales[j] = 1.0f / STEPS;
    attn_desc_init(&d, sizeof d, 1, HEADS, 1, T, x->keys, D, DV);
    d.dtype = x->queries, d.scale = bytes ? 0.25f : 1;
    d.q.data = x->q, d.o.data = x->o, d.lse.data = x->lse;
    d.bias = (attn_mask){x->bias, 0, 0, x->keys, 1};
    if (x->sink) d.sinks = x->sinks;
    attn_cache_init(&cache, sizeof cache, 1, 1, x->keys, D, DV, 0, 0);
    cache.dtype = x->cached, cache.lengths = lengths, cache.k.data = x->k, cache.v.data = x->v;
    if (bytes) cache.k_scales.data = cache.v_scales.data = x->scales;
    assert_int_equal(attn_decode_workspace_size(&d, &cache, &size), ATTN_OK);
    void *workspace = aligned_alloc(ATTN_ALIGNMENT, size);
    if (attn_decode(&d, &cache, workspace, size)) fail_msg("%s", attn_error());
    free(workspace);
}

static void check_call(far_call *x)
{
    const bool bytes = x->cached == ATTN_DTYPE_INT8;
    for (int64_t n = 0; n < ROWS * D; n++) write_number(x->q, x->queries, n, query_at(n / D));
    for (int64_t n = 0; n < T * x->keys; n++) x->bias[n] = x->mask;
    for (int64_t n = 0; n < HEADS; n++) x->sinks[n] = sink_of(x);
    for (int64_t j = 0; j < x->keys; j++) {
        for (int64_t c = 0; c < D; c++) write_number(x->k, x->cached, j * D + c, (bytes ? 4 : 1) * key_at(j, c));
        for (int64_t c = 0; c < DV; c++) write_number(x->v, x->cached, j * DV + c, value_at(j, c));
    }
    decode(x);
    for (int64_t row = 0; row < ROWS; row++) check_row(x, row);
}

static const attn_dtype types[][2] = {{ATTN_DTYPE_F32, ATTN_DTYPE_F32},   {ATTN_DTYPE_F32, ATTN_DTYPE_FP16},
                                      {ATTN_DTYPE_F32, ATTN_DTYPE_INT8},  {ATTN_DTYPE_BF16, ATTN_DTYPE_F32},
                                      {ATTN_DTYPE_BF16, ATTN_DTYPE_BF16}, {ATTN_DTYPE_BF16, ATTN_DTYPE_INT8}};

static void keys_count_as_their_scores_say_however_far(void **state)
{
    (void)state;
    const int64_t keys[] = {2, 512, 513, MOST_S};
    static far_call x;
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++)
        for (size_t n = 0; n < sizeof keys / sizeof keys[0]; n++)
            for (size_t m = 0; m < sizeof masks / sizeof masks[0]; m++)
                for (int sink = NO_SINK; sink < SINK_KINDS; sink++) {
                    x.queries = types[t][0], x.cached = types[t][1], x.keys = keys[n], x.mask = masks[m];
                    x.sink = (sink_kind)sink;
                    check_call(&x);
                }
}

/* One key with nearly all of the weight and a value of 0; all others, of value 1, have so little each that only
 * together they count. */
static void check_little_weights(far_call *x, float below)
{
    for (int64_t n = 0; n < ROWS * D; n++) write_number(x->q, x->queries, n, 0);
    for (int64_t n = 0; n < T * x->keys; n++) x->bias[n] = n % x->keys ? -below : 0;
    for (int64_t n = 0; n < x->keys * D; n++) write_number(x->k, x->cached, n, 0);
    for (int64_t n = 0; n < x->keys * DV; n++) write_number(x->v, x->cached, n, n / DV ? 1 : 0);
    decode(x);
    const double others = (double)(x->keys - 1) * exp(-below), want = others / (1 + others);
    for (int64_t n = 0; n < ROWS * DV; n++) {
        const float got = x->queries == ATTN_DTYPE_F32 ? x->o[n] : bf16_to_float(((const uint16_t *)x->o)[n]);
        if (!(fabs(got - want) <= 0x1p-7 * want + 0x1p-14))
            fail_msg("types %d and %d, %d keys, %g below: %.9g, expected %.9g", (int)x->queries, (int)x->cached,
                     (int)x->keys, below, got, want);
    }
}

static void little_weights_count_together(void **state)
{
    (void)state;
    static far_call x;
    x.sink = NO_SINK;
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++)
        for (x.keys = 200; x.keys <= 512; x.keys += 39)
            for (float below = 8; below < 16; below += 0.125f) {
                x.queries = types[t][0], x.cached = types[t][1];
                check_little_weights(&x, below);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(keys_count_as_their_scores_say_however_far),
                                       cmocka_unit_test(little_weights_count_together)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
