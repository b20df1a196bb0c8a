/* The operator on fp64 against the dense fp64 reference, within some units of fp64's rounding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "call.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define UNTOUCHED 1e300
#define SEEDS 60

/* A random call whose arrays are of doubles, contiguous; what it writes. */
typedef struct wide_call {
    call *c;
    attn_desc d;
    double *owned[16];
    int count;
    double *o, *lse, *grad_q, *grad_k, *grad_v, *grad_w, *grad_bias;
    size_t bias_size;
} wide_call;

static double *own(wide_call *w, int64_t count)
{
    double *data = malloc((size_t)count * sizeof *data + 1);
    for (int64_t n = 0; n < count; n++) data[n] = UNTOUCHED;
    return w->owned[w->count++] = data;
}

static attn_view widen(wide_call *w, attn_view view, int64_t batches, int64_t heads, int64_t rows, int64_t columns)
{
    double *data = own(w, batches * heads * rows * columns), *at = data;
    for (int64_t b = 0; b < batches; b++)
        for (int64_t h = 0; h < heads; h++)
            for (int64_t i = 0; i < rows; i++)
                for (int64_t c = 0; c < columns; c++)
                    *at++ = ((const float *)view.data)[b * view.batch + h * view.head + i * view.row + c];
    return (attn_view){data, heads * rows * columns, rows * columns, columns};
}

static double *make_output(wide_call *w, attn_output *out, int64_t heads, int64_t rows, int64_t columns)
{
    double *data = own(w, w->d.B * heads * rows * columns);
    *out = (attn_output){data, heads * rows * columns, rows * columns, columns};
    return data;
}

static void widen_bias(wide_call *w)
{
    attn_desc *d = &w->d;
    if (!d->bias.data) return;
    w->bias_size = w->c->grad_bias_size;
    double *bias = own(w, (int64_t)w->bias_size);
    for (size_t n = 0; n < w->bias_size; n++) bias[n] = ((const float *)d->bias.data)[n];
    d->bias.data = bias;
    d->grad_bias.data = w->grad_bias = own(w, (int64_t)w->bias_size);
}

static wide_call wide_create(uint64_t seed)
{
    call_options o = call_random_options(seed);
    o.score_function = o.mask_function = false;
    if (o.T > 70) o.T = 70;
    if (o.S > 150) o.S = 150;
    wide_call w = {.c = call_create(&o, seed)};
    w.d = w.c->desc;
    attn_desc *d = &w.d;
    d->dtype = ATTN_DTYPE_F64;
    d->scale_f64 = 0; /* the reference's is scale */
    d->q = widen(&w, d->q, d->B, d->H, d->T, d->D);
    d->k = widen(&w, d->k, d->B, d->HK, d->S, d->D);
    d->v = widen(&w, d->v, d->B, d->HK, d->S, d->DV);
    d->grad_o = widen(&w, d->grad_o, d->B, d->H, d->T, d->DV);
    if (o.by_lse) d->grad_lse = widen(&w, d->grad_lse, d->B, d->H, d->T, 1);
    if (o.additive) {
        d->score_vector = widen(&w, d->score_vector, 1, d->H, 1, d->D);
        w.grad_w = make_output(&w, &d->grad_score_vector, d->H, 1, d->D);
    }
    w.o = make_output(&w, &d->o, d->H, d->T, d->DV);
    w.lse = make_output(&w, &d->lse, d->H, d->T, 1);
    w.grad_q = make_output(&w, &d->grad_q, d->H, d->T, d->D);
    w.grad_k = make_output(&w, &d->grad_k, d->HK, d->S, d->D);
    w.grad_v = make_output(&w, &d->grad_v, d->HK, d->S, d->DV);
    widen_bias(&w);
    return w;
}

static void wide_destroy(wide_call *w)
{
    for (int n = 0; n < w->count; n++) free(w->owned[n]);
    call_destroy(w->c);
}

static void run(const attn_desc *d, uint64_t seed)
{
    size_t bytes = 1;
    if (attn_forward_workspace_size(d, &bytes) || bytes || attn_forward(d, NULL, 0))
        fail_msg("seed %llu: forward wants %zu bytes: %s", (unsigned long long)seed, bytes, attn_error());
    if (attn_backward_workspace_size(d, &bytes) || bytes || attn_backward(d, NULL, 0))
        fail_msg("seed %llu: backward wants %zu bytes: %s", (unsigned long long)seed, bytes, attn_error());
}

static void expect_near(const wide_call *w, const char *name, const double *got, const double *want, int64_t count)
{
    double most = 1;
    for (int64_t n = 0; n < count; n++)
        if (isfinite(want[n])) most = fmax(most, fabs(want[n]));
    for (int64_t n = 0; n < count; n++)
        if (isinf(want[n]) ? got[n] != want[n] : !(fabs(got[n] - want[n]) <= 1e-12 * most))
            fail_msg("seed %llu: %s[%lld] is %.17g, expected %.17g", (unsigned long long)w->c->seed, name, (long long)n,
                     got[n], want[n]);
}

static void check_bias(const wide_call *w)
{
    const attn_desc *d = &w->d;
    const attn_mask_output *g = &d->grad_bias;
    double *want = calloc(w->bias_size + 1, sizeof *want);
    int64_t n = 0;
    for (int64_t b = 0; b < d->B; b++)
        for (int64_t h = 0; h < d->H; h++)
            for (int64_t i = 0; i < d->T; i++)
                for (int64_t j = 0; j < d->S; j++, n++)
                    want[b * g->batch + h * g->head + i * g->row + j * g->column] += w->c->reference.grad_bias[n];
    expect_near(w, "grad_bias", w->grad_bias, want, (int64_t)w->bias_size);
    free(want);
}

static void agrees_with_the_reference(void **state)
{
    (void)state;
    for (uint64_t seed = 6000; seed < 6000 + SEEDS; seed++) {
        wide_call w = wide_create(seed);
        const attn_desc *d = &w.d;
        dense *x = &w.c->reference;
        run(d, seed);
        dense_backward(x);
        expect_near(&w, "o", w.o, x->o, d->B * d->H * d->T * d->DV);
        expect_near(&w, "lse", w.lse, x->lse, d->B * d->H * d->T);
        expect_near(&w, "grad_q", w.grad_q, x->grad_q, d->B * d->H * d->T * d->D);
        expect_near(&w, "grad_k", w.grad_k, x->grad_k, d->B * d->HK * d->S * d->D);
        expect_near(&w, "grad_v", w.grad_v, x->grad_v, d->B * d->HK * d->S * d->DV);
        if (w.grad_w) expect_near(&w, "grad_score_vector", w.grad_w, x->grad_score_vector, d->H * d->D);
        if (w.grad_bias) check_bias(&w);
        for (int64_t h = 0; d->grad_sinks && h < d->H; h++)
            assert_true(fabs(d->grad_sinks[h] - x->grad_sinks[h]) <= 1e-6 * (1 + fabs(x->grad_sinks[h])));
        for (int64_t h = 0; d->grad_alibi_slopes && h < d->H; h++)
            assert_true(fabs(d->grad_alibi_slopes[h] - x->grad_slopes[h]) <=
                        1e-7 * fabs(x->grad_slopes[h]) + 1e-12 * (1 + x->slope_sizes[h]));
        double *weights = malloc((size_t)(d->B * d->H * d->T * d->S) * sizeof *weights + 1);
        const attn_output view = {weights, d->H * d->T * d->S, d->T * d->S, d->S};
        assert_int_equal(attn_weights(d, NULL, &view), ATTN_OK);
        expect_near(&w, "weights", weights, x->weights, d->B * d->H * d->T * d->S);
        free(weights);
        wide_destroy(&w);
    }
}

static void threads_do_not_matter(void **state)
{
    (void)state;
    for (uint64_t seed = 6100; seed < 6110; seed++) {
        wide_call one = wide_create(seed), three = wide_create(seed);
        one.d.parallel.threads = 1, three.d.parallel.threads = 3;
        run(&one.d, seed);
        run(&three.d, seed);
        const attn_desc *d = &one.d;
        assert_memory_equal(one.o, three.o, (size_t)(d->B * d->H * d->T * d->DV) * sizeof(double));
        assert_memory_equal(one.grad_k, three.grad_k, (size_t)(d->B * d->HK * d->S * d->D) * sizeof(double));
        wide_destroy(&one);
        wide_destroy(&three);
    }
}

enum { ROWS = 30, D = 4 };

/* Three sequences in arrays of (ROWS, 1, D): each as it is alone, rows of nobody as they were. */
static void packed_sequences_are_found(void **state)
{
    (void)state;
    const int64_t starts[] = {1, 11, 11, 28};
    static double in[4][ROWS * D], out[2][5][ROWS * D];
    for (int n = 0; n < ROWS * D; n++) {
        for (int x = 0; x < 4; x++) in[x][n] = sin(n * 7.1 + x);
        for (int x = 0; x < 5; x++) out[0][x][n] = out[1][x][n] = UNTOUCHED;
    }
    for (int b = -1; b < 3; b++) {
        const int64_t first = b < 0 ? 0 : starts[b], rows = b < 0 ? ROWS : starts[b + 1] - first;
        double(*to)[ROWS * D] = out[b >= 0];
        attn_desc d;
        attn_desc_init(&d, sizeof d, b < 0 ? 3 : 1, 1, 1, rows, rows, D, D);
        d.dtype = ATTN_DTYPE_F64;
        d.causal = true;
        if (b < 0) d.query_starts = d.key_starts = starts;
        const double *read[] = {in[0], in[1], in[2], in[3]};
        d.q.data = read[0] + first * D, d.k.data = read[1] + first * D, d.v.data = read[2] + first * D;
        d.grad_o.data = read[3] + first * D;
        d.o.data = to[0] + first * D, d.lse.data = to[1] + first, d.grad_q.data = to[2] + first * D;
        d.grad_k.data = to[3] + first * D, d.grad_v.data = to[4] + first * D;
        run(&d, 0);
    }
    assert_memory_equal(out[0], out[1], sizeof out[0]);
    assert_true(out[0][0][D - 1] == UNTOUCHED && out[0][0][D] != UNTOUCHED);
}

/* The scale after attn_desc_init is 1 / sqrt(D) to the last bit of fp64; one that is set alone is itself. */
static void scale_is_of_fp64(void **state)
{
    (void)state;
    double q[24], k[24], v = 1, o, lse, product = 0;
    for (int n = 0; n < 24; n++) q[n] = 1 + n / 7.0, k[n] = 2 - n / 9.0, product += q[n] * k[n];
    attn_desc d;
    attn_desc_init(&d, sizeof d, 1, 1, 1, 1, 1, 24, 1);
    d.dtype = ATTN_DTYPE_F64;
    d.q.data = q, d.k.data = k, d.v.data = &v, d.o.data = &o, d.lse.data = &lse;
    assert_int_equal(attn_forward(&d, NULL, 0), ATTN_OK);
    assert_true(fabs(lse - product / sqrt(24)) <= 1e-15 * fabs(product));
    d.scale = 0.1f;
    assert_int_equal(attn_forward(&d, NULL, 0), ATTN_OK);
    assert_true(fabs(lse - product * (double)0.1f) <= 1e-15 * fabs(product));
    d.scale_f64 = 0.1;
    assert_int_equal(attn_forward(&d, NULL, 0), ATTN_OK);
    assert_true(fabs(lse - product * 0.1) <= 1e-15 * fabs(product));
}

static void column_sums_are_refused(void **state)
{
    (void)state;
    attn_desc d;
    size_t size;
    attn_desc_init(&d, sizeof d, 1, 1, 1, 1, 1, 1, 1);
    d.dtype = ATTN_DTYPE_F64;
    assert_int_equal(attn_weights_column_sums_workspace_size(&d, &size), ATTN_ERROR_UNSUPPORTED);
    assert_non_null(strstr(attn_error(), "ATTN_DTYPE_F64"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_reference),  cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(packed_sequences_are_found), cmocka_unit_test(scale_is_of_fp64),
        cmocka_unit_test(column_sums_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
