/* Backward on bf16 and fp16: fp32's arithmetic on the same numbers, gradients rounded once; but for a CPU that
 * multiplies bf16 itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gradient_errors.h"
#include "grid.h"
#include "narrow_twin.h"

#include "kernels/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where fp32 has a guard, so has the type; where it has a number, that number rounded, unless `guards` alone are asked
 * for. */
static void expect_in_type(const narrow_twin *t, int n, bool guards)
{
    const call_output *wide = &t->c->outputs[n];
    unsigned char *inside = calloc(wide->size, 1);
    for (int64_t b = 0; b < wide->batches; b++)
        for (int64_t h = 0; h < wide->heads; h++)
            for (int64_t i = 0; i < wide->rows; i++)
                memset(inside + GUARD + b * wide->view.batch + h * wide->view.head + i * wide->view.row, 1,
                       (size_t)wide->columns);
    for (size_t k = 0; k < wide->size; k++) {
        if (guards && inside[k]) continue;
        uint16_t want = inside[k] ? narrow_of(t->d.dtype, wide->buffer[k]) : POISON;
        if (t->gradients[n][k] != want)
            fail_msg("seed %llu: %s[%zu] is 0x%04x, expected 0x%04x", (unsigned long long)t->c->seed, wide->name, k,
                     t->gradients[n][k], want);
    }
    free(inside);
}

/* Whether weights and scores' gradients are rounded to bf16 too, to be multiplied by it. */
static bool multiplies_pairs(const call_options *o)
{
    return o->type == ATTN_DTYPE_BF16 && !o->additive && kernels_table()->backward_pairs.begin;
}

/* What stays fp32 in any type, as bytes that can be compared. */
static float *keep_others(const call *c, size_t *count)
{
    *count = c->grad_bias_size;
    for (int n = NARROW; n < CALL_OUTPUTS; n++) *count += c->outputs[n].size;
    float *kept = malloc(*count * sizeof *kept + 1), *at = kept;
    if (c->grad_bias) memcpy(at, c->grad_bias + GUARD, c->grad_bias_size * sizeof *at);
    at += c->grad_bias_size;
    for (int n = NARROW; n < CALL_OUTPUTS; n++) {
        if (c->outputs[n].size) memcpy(at, c->outputs[n].buffer, c->outputs[n].size * sizeof *at);
        at += c->outputs[n].size;
    }
    return kept;
}

/* What fp32 did not write is not written. */
static void expect_guards_alike(uint64_t seed, const float *got, const float *want, size_t count)
{
    for (size_t n = 0; n < count; n++)
        if (isnan(want[n]) && memcmp(&got[n], &want[n], sizeof *got))
            fail_msg("seed %llu: number %zu of the others is %.9g, which fp32 does not write", (unsigned long long)seed,
                     n, (double)got[n]);
}

/* Gradients have the bits of fp32's, rounded, or are as near to them as products of bf16 let them be. */
static void expect_gradients(const call_options *o, uint64_t seed)
{
    narrow_twin t = narrow_twin_create(o, seed);
    const bool pairs = multiplies_pairs(o);
    size_t count;
    call_backward(t.c);
    float *wide = keep_others(t.c, &count);
    t.d.parallel.threads = 1 + (o->threads + 1) % 4;
    narrow_backward(&t.d, seed);
    for (int n = 0; n < NARROW; n++) expect_in_type(&t, n, pairs);
    if (pairs) gradient_errors_in_type(&t);
    float *narrow = keep_others(t.c, &count);
    if (pairs)
        expect_guards_alike(seed, narrow, wide, count), gradient_errors_in_fp32(&t);
    else
        assert_memory_equal(wide, narrow, count * sizeof *wide);
    free(wide);
    free(narrow);
    narrow_twin_destroy(&t);
}

static void gradients_are_fp32_s_rounded(void **state)
{
    (void)state;
    const grid_range seeds = grid_seeds(5000, 100);
    for (uint64_t seed = seeds.first; seed < seeds.last; seed++) {
        call_options o = call_random_options(seed);
        o.type = narrow_type_of(seed);
        expect_gradients(&o, seed);
    }
}

static void empty_sizes_have_gradients(void **state)
{
    (void)state;
    const int64_t sizes[][5] = {{0, 3, 3, 4, 4}, {2, 0, 5, 4, 4}, {2, 5, 0, 4, 4},  {1, 5, 7, 0, 4},
                                {1, 5, 7, 4, 0}, {1, 1, 1, 1, 1}, {1, 65, 65, 1, 3}};
    for (size_t n = 0; n < sizeof sizes / sizeof sizes[0]; n++) {
        call_options o = {.B = sizes[n][0], .H = 2, .HK = 1, .T = sizes[n][1], .S = sizes[n][2], .D = sizes[n][3]};
        o.DV = sizes[n][4], o.sigma = 1, o.threads = 1;
        for (uint64_t seed = 5600; seed < 5602; seed++) o.type = narrow_type_of(seed), expect_gradients(&o, seed);
    }
}

/* Key 4 is seen by no query, query 6 sees no key: neither's rows reach a gradient of others, whatever they hold. */
static void what_is_masked_may_hold_anything(void **state)
{
    (void)state;
    enum { ROWS = 21, COLUMNS = 19 };
    const float values[] = {NAN, INFINITY, -INFINITY};
    for (uint64_t seed = 5700; seed < 5706; seed++) {
        call_options o = {.B = 1, .H = 1, .HK = 1, .T = ROWS, .S = ROWS, .D = COLUMNS, .DV = COLUMNS, .sigma = 1};
        o.threads = 1, o.type = narrow_type_of(seed), o.mask = true;
        narrow_twin t = narrow_twin_create(&o, seed);
        attn_desc *d = &t.c->desc;
        unsigned char *mask = (unsigned char *)(uintptr_t)d->mask.data;
        for (int n = 0; n < ROWS; n++) mask[n * d->mask.row + 4] = mask[6 * d->mask.row + n] = 0;
        dense_destroy(&t.c->reference);
        t.c->reference = dense_create(d);
        dense_forward(&t.c->reference);
        for (int n = 0; n < ROWS * COLUMNS; n++) {
            t.o[n] = narrow_of(o.type, (float)t.c->reference.o[n]);
            ((float *)d->o.data)[n] = float_of(o.type, t.o[n]);
        }
        for (int n = 0; n < ROWS; n++) ((float *)d->lse.data)[n] = (float)t.c->reference.lse[n];
        call_backward(t.c);
        const attn_view *views[] = {&t.d.k, &t.d.v, &t.d.q, &t.d.grad_o};
        for (int n = 0; n < 4; n++)
            for (int x = 0; x < COLUMNS; x++)
                ((uint16_t *)(uintptr_t)views[n]->data)[(n < 2 ? 4 : 6) * views[n]->row + x] =
                    narrow_of(o.type, values[seed / 2 % 3]);
        narrow_backward(&t.d, seed);
        gradient_errors_in_type(&t);
        narrow_twin_destroy(&t);
    }
}

/* Some gradients alone: the workspace and the sums of the others are not there. */
static void unwanted_gradients_are_left_out(void **state)
{
    (void)state;
    call_options o = {.B = 2, .H = 4, .HK = 2, .T = 70, .S = 90, .D = 24, .DV = 40, .sigma = 1, .threads = 2};
    o.type = ATTN_DTYPE_BF16;
    for (int n = 0; n < NARROW; n++) {
        narrow_twin t = narrow_twin_create(&o, 5100);
        call_backward(t.c);
        void *wanted[NARROW] = {t.d.grad_q.data, t.d.grad_k.data, t.d.grad_v.data};
        t.d.grad_q.data = n == 0 ? wanted[0] : NULL;
        t.d.grad_k.data = n == 1 ? wanted[1] : NULL;
        t.d.grad_v.data = n == 2 ? wanted[2] : NULL;
        narrow_backward(&t.d, 5100);
        expect_in_type(&t, n, multiplies_pairs(&o));
        for (int other = 0; other < NARROW; other++) /* those have not been written */
            for (size_t k = 0; other != n && k < t.c->outputs[other].size; k++)
                assert_int_equal(t.gradients[other][k], POISON);
        narrow_twin_destroy(&t);
    }
}

/* What anyone would write in the type: weights and their gradients are rounded to it before they are multiplied. The
 * bias's gradient, of fp32, is summed over the queries before. */
static void plain_backward(const call *c, float *grad_q, float *grad_k, float *grad_v, float *grad_bias)
{
    const attn_desc *d = &c->desc;
    const attn_dtype type = c->options.type;
    for (int64_t i = 0; i < d->T; i++) {
        const float *q = (const float *)d->q.data + i * d->q.row,
                    *go = (const float *)d->grad_o.data + i * d->grad_o.row;
        const float *o = (const float *)d->o.data + i * d->o.row, lse = ((const float *)d->lse.data)[i * d->lse.row];
        float delta = 0;
        for (int64_t x = 0; x < d->DV; x++) delta += go[x] * o[x];
        for (int64_t j = 0; j < d->S; j++) {
            const float *k = (const float *)d->k.data + j * d->k.row, *v = (const float *)d->v.data + j * d->v.row;
            float s = 0, dp = 0;
            for (int64_t x = 0; x < d->D; x++) s += q[x] * k[x];
            for (int64_t x = 0; x < d->DV; x++) dp += go[x] * v[x];
            s = s * d->scale + ((const float *)d->bias.data)[i * d->bias.row + j];
            float p = expf(s - lse), ds = p * (dp - delta);
            grad_bias[j] += ds;
            ds = round_to_type(type, ds);
            p = round_to_type(type, p);
            for (int64_t x = 0; x < d->DV; x++) grad_v[j * d->DV + x] += p * go[x];
            for (int64_t x = 0; x < d->D; x++) grad_q[i * d->D + x] += ds * k[x] * d->scale;
            for (int64_t x = 0; x < d->D; x++) grad_k[j * d->D + x] += ds * q[x] * d->scale;
        }
    }
}

/* The largest errors of one gradient, ours and the plain way's. */
typedef struct worst {
    double ours, theirs;
} worst;

static void add_errors(worst *w, double got, double plain, double want)
{
    if (!(fabs(got - want) <= w->ours)) w->ours = fabs(got - want); /* a NaN counts */
    w->theirs = fmax(w->theirs, fabs(plain - want));
}

static void expect_within_three(const call *c, const char *name, worst w)
{
    print_message("type %d, %s: off by %.3g, the plain way by %.3g\n", (int)c->options.type, name, w.ours, w.theirs);
    if (!(w.ours <= 3 * w.theirs)) fail_msg("%s is off by more than three times the plain way", name);
}

enum { LENGTH = 160, WIDTH = 64 };

static worst bias_errors(const narrow_twin *t, const float *plain)
{
    worst w = {0};
    for (int j = 0; j < LENGTH; j++) {
        double want = 0;
        for (int i = 0; i < LENGTH; i++) want += t->c->reference.grad_bias[i * LENGTH + j];
        add_errors(&w, ((const float *)t->d.grad_bias.data)[j], plain[j], want);
    }
    return w;
}

static void errs_no_more_than_three_times_the_plain_way(void **state)
{
    (void)state;
    for (uint64_t seed = 5300; seed < 5302; seed++) {
        call_options o = {.B = 1, .H = 1, .HK = 1, .T = LENGTH, .S = LENGTH, .D = WIDTH, .DV = WIDTH, .sigma = 1};
        o.threads = 1, o.type = narrow_type_of(seed), o.bias = true;
        narrow_twin t = narrow_twin_create(&o, seed);
        static float plain[NARROW][LENGTH * WIDTH], plain_bias[LENGTH];
        memset(plain, 0, sizeof plain);
        memset(plain_bias, 0, sizeof plain_bias);
        plain_backward(t.c, plain[0], plain[1], plain[2], plain_bias);
        t.d.grad_bias.row = 0;
        narrow_backward(&t.d, seed);
        dense_backward(&t.c->reference);
        const double *want[NARROW] = {t.c->reference.grad_q, t.c->reference.grad_k, t.c->reference.grad_v};
        for (int n = 0; n < NARROW; n++) {
            worst w = {0};
            for (int64_t k = 0; k < LENGTH * WIDTH; k++) {
                const int64_t at = GUARD + k / WIDTH * t.c->outputs[n].view.row + k % WIDTH;
                add_errors(&w, float_of(o.type, t.gradients[n][at]), round_to_type(o.type, plain[n][k]), want[n][k]);
            }
            expect_within_three(t.c, t.c->outputs[n].name, w);
        }
        expect_within_three(t.c, "grad_bias", bias_errors(&t, plain_bias));
        narrow_twin_destroy(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_fp32_s_rounded),
        cmocka_unit_test(empty_sizes_have_gradients),
        cmocka_unit_test(what_is_masked_may_hold_anything),
        cmocka_unit_test(unwanted_gradients_are_left_out),
        cmocka_unit_test(errs_no_more_than_three_times_the_plain_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
