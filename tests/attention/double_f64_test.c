/* Double backward on fp64 against the dense fp64 reference, within some units of fp64's rounding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "second_call.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define UNTOUCHED 1e300
#define OWNED 20

/* A second_call's arrays as doubles, contiguous. */
typedef struct wide_call {
    second_call *s;
    attn_desc d;
    attn_second_order second;
    double *owned[OWNED];
    int count;
} wide_call;

static double *own(wide_call *w, int64_t count)
{
    double *data = malloc((size_t)count * sizeof *data + 1);
    for (int64_t n = 0; n < count; n++) data[n] = UNTOUCHED;
    return w->owned[w->count++] = data;
}

static void widen(wide_call *w, attn_view *view, int64_t heads, int64_t rows, int64_t columns)
{
    double *data = own(w, w->d.B * heads * rows * columns), *at = data;
    for (int64_t b = 0; b < w->d.B; b++)
        for (int64_t h = 0; h < heads; h++)
            for (int64_t i = 0; i < rows; i++)
                for (int64_t c = 0; c < columns; c++)
                    *at++ = ((const float *)view->data)[b * view->batch + h * view->head + i * view->row + c];
    *view = (attn_view){data, heads * rows * columns, rows * columns, columns};
}

static void make_output(wide_call *w, attn_output *out, int64_t heads, int64_t rows, int64_t columns)
{
    *out = (attn_output){own(w, w->d.B * heads * rows * columns), heads * rows * columns, rows * columns, columns};
}

static const double *widen_pairs(wide_call *w, const void *data)
{
    double *wide = own(w, (int64_t)w->s->grad_bias_size);
    for (size_t n = 0; n < w->s->grad_bias_size; n++) wide[n] = ((const float *)data)[n];
    return wide;
}

static wide_call wide_create(uint64_t seed)
{
    call_options o = second_call_options(seed);
    o.mask_function = false;
    o.T = 1 + o.T % 40, o.S = 1 + o.S % 90;
    wide_call w = {.s = second_call_create(&o, seed, true)};
    w.d = w.s->c->desc, w.second = w.s->second;
    attn_desc *d = &w.d;
    attn_second_order *s = &w.second;
    d->dtype = ATTN_DTYPE_F64;
    d->scale_f64 = 0; /* the reference's is scale */
    widen(&w, &d->q, d->H, d->T, d->D), widen(&w, &s->by_grad_q, d->H, d->T, d->D);
    widen(&w, &d->k, d->HK, d->S, d->D), widen(&w, &s->by_grad_k, d->HK, d->S, d->D);
    widen(&w, &d->v, d->HK, d->S, d->DV), widen(&w, &s->by_grad_v, d->HK, d->S, d->DV);
    widen(&w, &d->grad_o, d->H, d->T, d->DV);
    if (d->grad_lse.data) widen(&w, &d->grad_lse, d->H, d->T, 1);
    make_output(&w, &s->grad_grad_lse, d->H, d->T, 1);
    make_output(&w, &d->o, d->H, d->T, d->DV), make_output(&w, &d->lse, d->H, d->T, 1);
    make_output(&w, &s->grad_q, d->H, d->T, d->D), make_output(&w, &s->grad_k, d->HK, d->S, d->D);
    make_output(&w, &s->grad_v, d->HK, d->S, d->DV), make_output(&w, &s->grad_grad_o, d->H, d->T, d->DV);
    if (!d->bias.data) return w;
    d->bias.data = widen_pairs(&w, d->bias.data), s->by_grad_bias.data = widen_pairs(&w, s->by_grad_bias.data);
    s->grad_bias.data = own(&w, (int64_t)w.s->grad_bias_size);
    return w;
}

static void wide_destroy(wide_call *w)
{
    for (int n = 0; n < w->count; n++) free(w->owned[n]);
    second_call_destroy(w->s);
}

static void run(const attn_desc *d, const attn_second_order *second)
{
    size_t bytes = 1;
    if (attn_forward(d, NULL, 0)) fail_msg("%s", attn_error());
    if (attn_double_backward_workspace_size(d, second, &bytes) || bytes) fail_msg("%zu: %s", bytes, attn_error());
    if (attn_double_backward(d, second, NULL, 0)) fail_msg("%s", attn_error());
}

static void expect_near(const wide_call *w, const char *name, const double *got, const double *want, int64_t count)
{
    double most = 1;
    for (int64_t n = 0; n < count; n++) most = fmax(most, fabs(want[n]));
    for (int64_t n = 0; n < count; n++)
        if (!(fabs(got[n] - want[n]) <= 1e-12 * most))
            fail_msg("seed %llu: %s[%lld] is %.17g, expected %.17g", (unsigned long long)w->s->seed, name, (long long)n,
                     got[n], want[n]);
}

static void expect_bias(const wide_call *w, const double *gradient)
{
    const attn_desc *d = &w->d;
    const attn_mask_output *g = &w->second.grad_bias;
    double *want = calloc(w->s->grad_bias_size + 1, sizeof *want);
    for (int64_t n = 0; n < d->B * d->H * d->T * d->S; n++) {
        int64_t j = n % d->S, i = n / d->S % d->T, h = n / d->S / d->T % d->H, b = n / d->S / d->T / d->H;
        want[b * g->batch + h * g->head + i * g->row + j * g->column] += gradient[n];
    }
    expect_near(w, "grad_bias", g->data, want, (int64_t)w->s->grad_bias_size);
    free(want);
}

static void agrees_with_the_reference(void **state)
{
    (void)state;
    for (uint64_t seed = 6200; seed < 6250; seed++) {
        wide_call w = wide_create(seed);
        const attn_desc *d = &w.d;
        run(d, &w.second);
        dense_second x = dense_second_create(&w.s->c->reference, &w.s->second);
        dense_second_backward(&x);
        expect_near(&w, "grad_q", w.second.grad_q.data, x.grad_q, d->B * d->H * d->T * d->D);
        expect_near(&w, "grad_k", w.second.grad_k.data, x.grad_k, d->B * d->HK * d->S * d->D);
        expect_near(&w, "grad_v", w.second.grad_v.data, x.grad_v, d->B * d->HK * d->S * d->DV);
        expect_near(&w, "grad_grad_o", w.second.grad_grad_o.data, x.grad_grad_o, d->B * d->H * d->T * d->DV);
        expect_near(&w, "grad_grad_lse", w.second.grad_grad_lse.data, x.grad_grad_lse, d->B * d->H * d->T);
        if (w.second.grad_bias.data) expect_bias(&w, x.grad_bias);
        for (int64_t h = 0; w.second.grad_sinks && h < d->H; h++)
            assert_true(fabs(w.second.grad_sinks[h] - x.grad_sinks[h]) <= 1e-6 * (1 + fabs(x.grad_sinks[h])));
        dense_second_destroy(&x);
        wide_destroy(&w);
    }
}

enum { ROWS = 30, D = 4, READ = 7, WRITTEN = 6 };

/* Three sequences in arrays of (ROWS, 1, D): each as it is alone, rows of
 * nobody as they were. */
static void packed_sequences_are_found(void **state)
{
    (void)state;
    const int64_t starts[] = {1, 11, 11, 28};
    static double in[READ][ROWS * D], out[2][WRITTEN][ROWS * D];
    for (int n = 0; n < ROWS * D; n++) {
        for (int x = 0; x < READ; x++) in[x][n] = sin(n * 7.1 + x);
        for (int x = 0; x < WRITTEN; x++) out[0][x][n] = out[1][x][n] = UNTOUCHED;
    }
    for (int b = -1; b < 3; b++) {
        const int64_t first = b < 0 ? 0 : starts[b], rows = b < 0 ? ROWS : starts[b + 1] - first;
        double(*to)[ROWS * D] = out[b >= 0];
        attn_desc d;
        attn_second_order s;
        attn_desc_init(&d, sizeof d, b < 0 ? 3 : 1, 1, 1, rows, rows, D, D);
        attn_second_order_init(&s, sizeof s, &d);
        d.dtype = ATTN_DTYPE_F64;
        d.causal = true;
        if (b < 0) d.query_starts = d.key_starts = starts;
        d.q.data = in[0] + first * D, d.k.data = in[1] + first * D, d.v.data = in[2] + first * D;
        d.grad_o.data = in[3] + first * D;
        s.by_grad_q.data = in[4] + first * D, s.by_grad_k.data = in[5] + first * D,
        s.by_grad_v.data = in[6] + first * D;
        d.o.data = to[0] + first * D, d.lse.data = to[1] + first;
        s.grad_q.data = to[2] + first * D, s.grad_k.data = to[3] + first * D, s.grad_v.data = to[4] + first * D;
        s.grad_grad_o.data = to[5] + first * D;
        run(&d, &s);
    }
    assert_memory_equal(out[0], out[1], sizeof out[0]);
    assert_true(out[0][2][D - 1] == UNTOUCHED && out[0][2][D] != UNTOUCHED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_reference),
        cmocka_unit_test(packed_sequences_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
