/* Scores as far out as an additive mask of large finite numbers puts them, of whole rows too: the largest of a row
 * share its weight, however far from 0 they are, and the log-sum-exp is theirs. In rows and in lanes, by every product.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "attn/attn.h"
#include "base/number_format.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

enum { MOST_T = 70, S = 300, D = 4, THIRD = 100 };

/* The biases of a row's first, second and third hundred keys. */
static const float rows[][3] = {
    {-1e8f, -1e8f, -1e8f},
    {-1e10f, -1e10f, -1e10f},
    {-1.7e10f, -1.7e10f, -1.7e10f},
    {-1e30f, -1e30f, -1e30f},
    {-FLT_MAX, -FLT_MAX, -FLT_MAX},
    {1e10f, 1e10f, 1e10f},
    {FLT_MAX, FLT_MAX, FLT_MAX},
    {-FLT_MAX, 0, -FLT_MAX},
    {-1e12f, -1e10f, -1e12f},
    {-1e10f, -1e30f, -FLT_MAX},
    {0, 3e38f, 1e12f},
    {1, 1e8f, 1e8f},
    {-INFINITY, -1e30f, -INFINITY},
    {-2e7f, -1.6e7f, -INFINITY},
    {1.6e7f, 2e7f, 0},
    {-INFINITY, 5, -1e30f},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

/* Of the latest call. */
static float bias[MOST_T * S], o[MOST_T * D], lse[MOST_T];

static float value_at(int64_t j)
{
    return (float)(j % 7 + (j / THIRD) * 8); /* bf16 and fp16 hold it */
}

static void write_element(void *data, attn_dtype type, int64_t n, float x)
{
    if (type == ATTN_DTYPE_F32)
        ((float *)data)[n] = x;
    else
        ((uint16_t *)data)[n] = type == ATTN_DTYPE_BF16 ? bf16_of_float(x) : fp16_of_float(x);
}

static float read_element(const void *data, attn_dtype type, int64_t n)
{
    if (type == ATTN_DTYPE_F32) return ((const float *)data)[n];
    const uint16_t half = ((const uint16_t *)data)[n];
    return type == ATTN_DTYPE_BF16 ? bf16_to_float(half) : fp16_to_float(half);
}

/* What row i gives: the mean value and the number of the keys that have its largest bias, from which all others are too
 * far to count. */
static void check_row(int64_t i, attn_dtype type)
{
    const float *bias = rows[i % ROWS];
    const float largest = fmaxf(fmaxf(bias[0], bias[1]), bias[2]);
    double sum = 0, count = 0;
    for (int64_t j = 0; j < S; j++)
        if (bias[j / THIRD] == largest) sum += value_at(j), count++;
    const double mean = sum / count, expected = largest + log(count), near = type == ATTN_DTYPE_F32 ? 1e-5 : 1e-2;
    for (int64_t c = 0; c < D; c++) {
        const float got = read_element(o, type, i * D + c);
        if (!(fabs(got - mean) <= near * mean))
            fail_msg("type %d, row %d of biases %g, %g, %g: %g, expected %g", (int)type, (int)i, bias[0], bias[1],
                     bias[2], got, mean);
    }
    if (!(fabs(lse[i] - expected) <= 1e-6 * fabs(expected)))
        fail_msg("type %d, row %d of biases %g, %g, %g: log-sum-exp %g, expected %g", (int)type, (int)i, bias[0],
                 bias[1], bias[2], lse[i], expected);
}

/* Scores of 0 and the bias. */
static void forward(int64_t T, attn_dtype type, const float *sink)
{
    static float q[MOST_T * D], k[S * D], v[S * D];
    attn_desc d;
    size_t size;
    for (int64_t n = 0; n < MOST_T * D; n++) q[n] = 0;
    for (int64_t n = 0; n < S * D; n++) write_element(k, type, n, 1), write_element(v, type, n, value_at(n / D));
    attn_desc_init(&d, sizeof d, 1, 1, 1, T, S, D, D);
    d.dtype = type, d.sinks = sink;
    d.q.data = q, d.k.data = k, d.v.data = v, d.o.data = o, d.lse.data = lse;
    d.bias = (attn_mask){bias, 0, 0, S, 1};
    assert_int_equal(attn_forward_workspace_size(&d, &size), ATTN_OK);
    void *workspace = aligned_alloc(ATTN_ALIGNMENT, size);
    if (attn_forward(&d, workspace, size)) fail_msg("%s", attn_error());
    free(workspace);
}

static const attn_dtype types[] = {ATTN_DTYPE_F32, ATTN_DTYPE_BF16, ATTN_DTYPE_FP16};
static const int64_t counts[] = {4, 16, 20, MOST_T};
enum { TYPES = sizeof types / sizeof types[0], COUNTS = sizeof counts / sizeof counts[0] };

static void the_largest_share_a_row_however_far_they_are(void **state)
{
    (void)state;
    for (size_t t = 0; t < TYPES; t++)
        for (size_t n = 0; n < COUNTS; n++) {
            for (int64_t m = 0; m < counts[n] * S; m++) bias[m] = rows[m / S % ROWS][m % S / THIRD];
            forward(counts[n], types[t], NULL);
            for (int64_t i = 0; i < counts[n]; i++) check_row(i, types[t]);
        }
}

/* Two keys, in chunks of their own, whose scores are the sink's: a third of the weight each. */
static void a_sink_counts_as_a_key_of_its_score(void **state)
{
    (void)state;
    const float sinks[] = {0, -1e2f, -1e3f, 1e4f, -1e5f, -1e6f, 1e6f, -3e6f, 1.6e7f, -1.6e7f, -2e7f, 1e10f, -1e30f};
    for (size_t t = 0; t < TYPES; t++)
        for (size_t n = 0; n < COUNTS; n++)
            for (size_t s = 0; s < sizeof sinks / sizeof sinks[0]; s++) {
                const double want = (value_at(1) + value_at(S - 1)) / 3,
                             near = types[t] == ATTN_DTYPE_F32 ? 1e-6 : 1e-2;
                for (int64_t m = 0; m < counts[n] * S; m++)
                    bias[m] = m % S == 1 || m % S == S - 1 ? sinks[s] : -INFINITY;
                forward(counts[n], types[t], &sinks[s]);
                for (int64_t m = 0; m < counts[n] * D; m++) {
                    const float got = read_element(o, types[t], m);
                    if (!(fabs(got - want) <= near * want))
                        fail_msg("type %d, %d queries, sink and scores %g: %g, expected %g", (int)types[t],
                                 (int)counts[n], sinks[s], got, want);
                }
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_largest_share_a_row_however_far_they_are),
                                       cmocka_unit_test(a_sink_counts_as_a_key_of_its_score)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
