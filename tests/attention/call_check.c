#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "call.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POISON 0x7fc0deadu /* a NaN that no operation makes */

static void fail_call(const call *c, const char *what, const char *name)
{
    const attn_desc *d = &c->desc;
    fail_msg("seed %llu: %s %s (B %lld H %lld HK %lld T %lld S %lld D %lld DV %lld)", (unsigned long long)c->seed, name,
             what, (long long)d->B, (long long)d->H, (long long)d->HK, (long long)d->T, (long long)d->S,
             (long long)d->D, (long long)d->DV);
}

static void poison(float *data, size_t count)
{
    const uint32_t word = POISON;
    for (size_t n = 0; n < count; n++) memcpy(&data[n], &word, sizeof word);
}

static bool poisoned(const float *data)
{
    uint32_t word;
    memcpy(&word, data, sizeof word);
    return word == POISON;
}

/* Rows are written, all else is not. */
static void check_guards(const call *c, const call_output *o)
{
    unsigned char *inside = calloc(o->size, 1);
    for (int64_t b = 0; b < o->batches; b++)
        for (int64_t h = 0; h < o->heads; h++)
            for (int64_t i = 0; i < o->rows; i++)
                memset(inside + GUARD + b * o->view.batch + h * o->view.head + i * o->view.row, 1, (size_t)o->columns);
    for (size_t n = 0; n < o->size; n++) {
        if (inside[n] && poisoned(&o->buffer[n])) fail_call(c, "has an element that was not written", o->name);
        if (!inside[n] && !poisoned(&o->buffer[n])) fail_call(c, "was written outside its rows", o->name);
    }
    free(inside);
}

static void check_bias_guards(const call *c)
{
    const bool any = c->desc.B && c->desc.T && c->desc.S; /* a bias without elements has no gradient */
    for (size_t n = 0; n < c->grad_bias_size + 2 * GUARD; n++) {
        bool inside = any && n >= GUARD && n < c->grad_bias_size + GUARD;
        if (inside == poisoned(&c->grad_bias[n])) fail_call(c, "has its guards broken or is not filled", "grad_bias");
    }
}

void call_backward(call *c)
{
    for (int n = 0; n < CALL_OUTPUTS; n++) poison(c->outputs[n].buffer, c->outputs[n].size);
    if (c->grad_bias) poison(c->grad_bias, c->grad_bias_size + 2 * GUARD);
    size_t bytes = 0;
    if (attn_backward_workspace_size(&c->desc, &bytes) != ATTN_OK) fail_call(c, attn_error(), "workspace_size");
    size_t whole = (bytes + ATTN_ALIGNMENT - 1) / ATTN_ALIGNMENT * ATTN_ALIGNMENT;
    unsigned char *workspace = aligned_alloc(ATTN_ALIGNMENT, whole + ATTN_ALIGNMENT);
    memset(workspace, 0xfe, whole + ATTN_ALIGNMENT);
    if (attn_backward(&c->desc, workspace, bytes) != ATTN_OK) fail_call(c, attn_error(), "attn_backward");
    for (size_t n = bytes; n < whole + ATTN_ALIGNMENT; n++)
        if (workspace[n] != 0xfe) fail_call(c, "was written beyond its end", "workspace");
    free(workspace);
    for (int n = 0; n < CALL_OUTPUTS; n++) check_guards(c, &c->outputs[n]);
    if (c->grad_bias) check_bias_guards(c);
}

static void check_near(const call *c, const char *name, double got, double want, double bound)
{
    if (fabs(got - want) <= bound) return;
    char what[128];
    snprintf(what, sizeof what, "is %.9g, expected %.9g, within %.3g", got, want, bound);
    fail_call(c, what, name);
}

static double largest_of(const double *data, int64_t count, double least)
{
    for (int64_t n = 0; n < count; n++) least = fmax(least, fabs(data[n]));
    return least;
}

static void check_output(const call *c, const call_output *o, const double *want, double tolerance, double least)
{
    int64_t B = o->batches, n = 0;
    double bound = tolerance * largest_of(want, B * o->heads * o->rows * o->columns, least);
    const float *data = o->view.data;
    for (int64_t b = 0; b < B; b++)
        for (int64_t h = 0; h < o->heads; h++)
            for (int64_t i = 0; i < o->rows; i++)
                for (int64_t x = 0; x < o->columns; x++, n++)
                    check_near(c, o->name, data[b * o->view.batch + h * o->view.head + i * o->view.row + x], want[n],
                               bound);
}

static void check_bias(const call *c, double tolerance, double least)
{
    const attn_desc *d = &c->desc;
    const attn_mask_output *g = &d->grad_bias;
    if (!d->B || !d->T || !d->S) return;
    /* A sum over a whole row is 0 by its terms cancelling: what is lost is measured by their sizes. */
    double *want = calloc(c->grad_bias_size + 1, sizeof(double)),
           *sizes = calloc(c->grad_bias_size + 1, sizeof(double));
    int64_t n = 0;
    for (int64_t b = 0; b < d->B; b++)
        for (int64_t h = 0; h < d->H; h++)
            for (int64_t i = 0; i < d->T; i++)
                for (int64_t j = 0; j < d->S; j++, n++) {
                    int64_t at = b * g->batch + h * g->head + i * g->row + j * g->column;
                    want[at] += c->reference.grad_bias[n];
                    sizes[at] += fabs(c->reference.grad_bias[n]);
                }
    double bound = tolerance * largest_of(sizes, (int64_t)c->grad_bias_size, least);
    for (size_t k = 0; k < c->grad_bias_size; k++)
        check_near(c, "grad_bias", ((const float *)g->data)[k], want[k], bound);
    free(want);
    free(sizes);
}

static void check_slopes(const call *c, double tolerance, double least)
{
    const float *slopes = c->outputs[5].view.data;
    for (int64_t h = 0; slopes && h < c->options.H; h++)
        check_near(c, "grad_alibi_slopes", slopes[h], c->reference.grad_slopes[h],
                   tolerance * fmax(least, c->reference.slope_sizes[h]));
}

void call_check(call *c, double tolerance, double least)
{
    dense_backward(&c->reference);
    const double *want[] = {c->reference.grad_q, c->reference.grad_k, c->reference.grad_v,
                            c->reference.grad_score_vector, c->reference.grad_sinks};
    for (int n = 0; n < 5; n++) check_output(c, &c->outputs[n], want[n], tolerance, least);
    check_slopes(c, tolerance, least);
    if (c->grad_bias) check_bias(c, tolerance, least);
}
