#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "second_call.h"

#include "base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define POISON 12345.678f

static const char *const names[] = {"grad_q",     "grad_k",        "grad_v",   "grad_grad_o",
                                    "grad_sinks", "grad_grad_lse", "grad_bias"};

call_options second_call_options(uint64_t seed)
{
    call_options o = call_random_options(seed);
    o.additive = o.score_function = false;
    return o;
}

static float *draw(uint64_t seed, uint64_t stream, int64_t count, float sigma)
{
    float *data = malloc(((size_t)count + 1) * sizeof(float));
    for (int64_t n = 0; n < count; n++)
        data[n] = sigma * 3.4f * (random_unit(random_philox(seed, (uint64_t)n, stream).word[0]) - 0.5f);
    return data;
}

/* Rows with a gap, heads within rows where the seed is odd. */
static attn_output layout(uint64_t seed, int64_t heads, int64_t rows, int64_t columns)
{
    int64_t wide = columns + (int64_t)(seed % 4);
    attn_output v = {NULL, heads * rows * wide + 3, rows * wide, wide};
    if (seed % 2) v.head = wide, v.row = heads * wide;
    return v;
}

static void give(second_call *s, int n, attn_view *view, int64_t heads, int64_t rows, int64_t columns)
{
    const attn_output v = layout(s->seed + (uint64_t)n, heads, rows, columns);
    const int64_t count = s->c->options.B * v.batch;
    s->given[n] = draw(s->seed, 70 + (uint64_t)n, count, s->c->options.sigma);
    for (int64_t k = 0; k < count; k++) s->given[n][k] = round_to_type(s->c->options.type, s->given[n][k]);
    *view = (attn_view){s->given[n], v.batch, v.head, v.row};
}

static void want(second_call *s, int n, attn_output *view, int64_t heads, int64_t rows, int64_t columns)
{
    *view = layout(s->seed / 2 + (uint64_t)n, heads, rows, columns);
    s->sizes[n] = (size_t)(s->c->options.B * view->batch) + 2 * GUARD;
    s->buffers[n] = malloc(s->sizes[n] * sizeof(float));
    s->heads[n] = heads, s->rows[n] = rows, s->columns[n] = columns;
    view->data = s->buffers[n] + GUARD;
}

second_call *second_call_create(const call_options *options, uint64_t seed, bool all)
{
    second_call *s = calloc(1, sizeof *s);
    s->c = call_create(options, seed);
    s->seed = seed;
    const attn_desc *d = &s->c->desc;
    attn_second_order *second = &s->second;
    attn_second_order_init(second, sizeof *second, d);
    give(s, 0, &second->by_grad_q, d->H, d->T, d->D);
    give(s, 1, &second->by_grad_k, d->HK, d->S, d->D);
    give(s, 2, &second->by_grad_v, d->HK, d->S, d->DV);
    want(s, 0, &second->grad_q, d->H, d->T, d->D);
    want(s, 1, &second->grad_k, d->HK, d->S, d->D);
    want(s, 2, &second->grad_v, d->HK, d->S, d->DV);
    want(s, 3, &second->grad_grad_o, d->H, d->T, d->DV);
    want(s, 5, &second->grad_grad_lse, d->H, d->T, 1);
    if (d->sinks) {
        second->by_grad_sinks = s->given[3] = draw(seed, 73, d->H, 1);
        s->sizes[4] = 2 * GUARD + (size_t)d->H;
        s->buffers[4] = malloc(s->sizes[4] * sizeof(float));
        second->grad_sinks = s->buffers[4] + GUARD;
    }
    if (d->bias.data) {
        const attn_mask *b = &d->bias;
        s->grad_bias_size = s->c->grad_bias_size;
        s->grad_bias = malloc((s->grad_bias_size + 2 * GUARD) * sizeof(float));
        s->given[4] = draw(seed, 74, (int64_t)s->grad_bias_size, 1);
        second->by_grad_bias = (attn_mask){s->given[4], b->batch, b->head, b->row, b->column};
        second->grad_bias = (attn_mask_output){s->grad_bias + GUARD, b->batch, b->head, b->row, b->column};
    }
    if (all) return s;
    if (seed % 4 == 1) second->by_grad_bias.data = NULL;
    if (seed % 4 == 2) second->grad_bias.data = NULL;
    if (seed % 5 == 0) second->by_grad_q.data = NULL;
    if (seed % 7 == 0) second->by_grad_k.data = NULL;
    if (seed % 3 == 0) second->by_grad_v.data = NULL;
    if (seed % 2 == 0) second->by_grad_sinks = NULL;
    return s;
}

void second_call_destroy(second_call *s)
{
    call_destroy(s->c);
    for (int n = 0; n < 5; n++) free(s->given[n]);
    free(s->grad_bias);
    for (int n = 0; n < SECOND_OUTPUTS; n++) free(s->buffers[n]);
    free(s);
}

static const attn_output *output(const second_call *s, int n)
{
    const attn_output *outputs[] = {
        &s->second.grad_q,       &s->second.grad_k, &s->second.grad_v, &s->second.grad_grad_o, NULL,
        &s->second.grad_grad_lse};
    return outputs[n];
}

static void check_guards(const second_call *s, int n)
{
    const attn_output *o = output(s, n);
    unsigned char *inside = calloc(s->sizes[n], 1);
    for (int64_t b = 0; b < s->c->options.B; b++)
        for (int64_t h = 0; h < s->heads[n]; h++)
            for (int64_t i = 0; i < s->rows[n]; i++)
                memset(inside + GUARD + b * o->batch + h * o->head + i * o->row, 1, (size_t)s->columns[n]);
    for (size_t k = 0; k < s->sizes[n]; k++)
        if (inside[k] == (s->buffers[n][k] == POISON))
            fail_msg("seed %llu: %s has an element that was not written, or was written outside its rows",
                     (unsigned long long)s->seed, names[n]);
    free(inside);
}

static bool has_pairs(const attn_desc *d)
{
    return d->B && d->T && d->S;
}

void second_call_run(second_call *s)
{
    for (int n = 0; n < SECOND_OUTPUTS; n++)
        for (size_t k = 0; k < s->sizes[n]; k++) s->buffers[n][k] = POISON;
    for (size_t k = 0; s->grad_bias && k < s->grad_bias_size + 2 * GUARD; k++) s->grad_bias[k] = POISON;
    size_t bytes = 0;
    if (attn_double_backward_workspace_size(&s->c->desc, &s->second, &bytes)) fail_msg("%s", attn_error());
    size_t whole = bytes / ATTN_ALIGNMENT * ATTN_ALIGNMENT + 2 * ATTN_ALIGNMENT;
    unsigned char *workspace = aligned_alloc(ATTN_ALIGNMENT, whole);
    memset(workspace, 0xfe, whole);
    if (attn_double_backward(&s->c->desc, &s->second, workspace, bytes)) fail_msg("%s", attn_error());
    for (size_t n = bytes; n < whole; n++) assert_int_equal(workspace[n], 0xfe);
    free(workspace);
    for (int n = 0; n < SECOND_OUTPUTS; n++)
        if (n != 4) check_guards(s, n);
    const bool any = has_pairs(&s->c->desc); /* a bias without elements has no gradient */
    for (size_t k = 0; s->second.grad_bias.data && k < s->grad_bias_size + 2 * GUARD; k++)
        if ((any && k >= GUARD && k < s->grad_bias_size + GUARD) == (s->grad_bias[k] == POISON))
            fail_msg("seed %llu: grad_bias is not filled, or was written around", (unsigned long long)s->seed);
}

static void check_near(const second_call *s, int n, int64_t at, double got, double want, double bound)
{
    if (fabs(got - want) <= bound) return;
    const attn_desc *d = &s->c->desc;
    fail_msg("seed %llu: %s[%lld] is %.9g, expected %.9g, within %.3g (B %lld H %lld HK %lld T %lld S %lld D %lld DV "
             "%lld)",
             (unsigned long long)s->seed, names[n], (long long)at, got, want, bound, (long long)d->B, (long long)d->H,
             (long long)d->HK, (long long)d->T, (long long)d->S, (long long)d->D, (long long)d->DV);
}

static double largest_of(const double *data, int64_t count, double least)
{
    double most = least;
    for (int64_t n = 0; n < count; n++) most = fmax(most, fabs(data[n]));
    return most;
}

/* Summed where the bias broadcasts; what cancels in a sum is measured by its terms. */
static void check_bias(const second_call *s, const double *gradient, double tolerance, double least)
{
    const attn_desc *d = &s->c->desc;
    const attn_mask_output *g = &s->second.grad_bias;
    double *want = calloc(s->grad_bias_size + 1, sizeof(double)),
           *sizes = calloc(s->grad_bias_size + 1, sizeof(double));
    for (int64_t n = 0; n < d->B * d->H * d->T * d->S; n++) {
        int64_t j = n % d->S, i = n / d->S % d->T, h = n / d->S / d->T % d->H, b = n / d->S / d->T / d->H;
        int64_t at = b * g->batch + h * g->head + i * g->row + j * g->column;
        want[at] += gradient[n];
        sizes[at] += fabs(gradient[n]);
    }
    double bound = tolerance * largest_of(sizes, (int64_t)s->grad_bias_size, least);
    for (size_t k = 0; k < s->grad_bias_size; k++)
        check_near(s, 6, (int64_t)k, s->grad_bias[GUARD + k], want[k], bound);
    free(want);
    free(sizes);
}

void second_call_check(second_call *s, double tolerance, double least)
{
    dense_second reference = dense_second_create(&s->c->reference, &s->second);
    dense_second_backward(&reference);
    const double *wanted[] = {reference.grad_q,       reference.grad_k, reference.grad_v, reference.grad_grad_o, NULL,
                              reference.grad_grad_lse};
    for (int n = 0; n < SECOND_OUTPUTS; n++) {
        if (!wanted[n]) continue;
        const attn_output *o = output(s, n);
        const float *data = o->data;
        int64_t B = s->c->options.B, at = 0;
        double bound = tolerance * largest_of(wanted[n], B * s->heads[n] * s->rows[n] * s->columns[n], least);
        for (int64_t b = 0; b < B; b++)
            for (int64_t h = 0; h < s->heads[n]; h++)
                for (int64_t i = 0; i < s->rows[n]; i++)
                    for (int64_t c = 0; c < s->columns[n]; c++, at++)
                        check_near(s, n, at, data[b * o->batch + h * o->head + i * o->row + c], wanted[n][at], bound);
    }
    double bound = tolerance * largest_of(reference.grad_sinks, s->c->options.H, least);
    for (int64_t h = 0; h < s->c->options.H && s->second.grad_sinks; h++)
        check_near(s, 4, h, s->second.grad_sinks[h], reference.grad_sinks[h], bound);
    if (s->second.grad_bias.data && has_pairs(&s->c->desc)) check_bias(s, reference.grad_bias, tolerance, least);
    dense_second_destroy(&reference);
}
