#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "second_call.h"
#include "run_backwards.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The reference itself: each gradient against a central difference, in fp64, of the gradients that the first-order
 * reference gives. */
static void check_differences(dense_second *s, const char *name, double *input, const double *gradient, int64_t count)
{
    const double step = 1e-5;
    for (int64_t n = 0; n < count; n += 1 + count / 30) {
        double was = input[n];
        input[n] = was + step;
        double above = dense_second_loss(s);
        input[n] = was - step;
        double below = dense_second_loss(s);
        input[n] = was;
        double want = (above - below) / (2 * step);
        if (!(fabs(gradient[n] - want) <= 2e-7 * (1 + fabs(want))))
            fail_msg("%s %lld: %.12g, by differences %.12g", name, (long long)n, gradient[n], want);
    }
}

static void the_reference_agrees_with_differences(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 16; seed++) {
        call_options o = second_call_options(seed);
        o.T = 1 + o.T % 9, o.S = 1 + o.S % 9, o.D = 1 + o.D % 5, o.DV = 1 + o.DV % 5;
        second_call *call = second_call_create(&o, seed, true);
        dense *x = &call->c->reference;
        dense_second s = dense_second_create(x, &call->second);
        dense_second_backward(&s);
        int64_t queries = o.B * o.H * o.T, keys = o.B * o.HK * o.S;
        check_differences(&s, "q", x->q, s.grad_q, queries * o.D);
        check_differences(&s, "k", x->k, s.grad_k, keys * o.D);
        check_differences(&s, "v", x->v, s.grad_v, keys * o.DV);
        check_differences(&s, "grad_o", x->grad_o, s.grad_grad_o, queries * o.DV);
        if (o.by_lse) check_differences(&s, "grad_lse", x->grad_lse, s.grad_grad_lse, queries);
        if (o.sinks) check_differences(&s, "sinks", x->sinks, s.grad_sinks, o.H);
        if (o.bias) check_differences(&s, "bias", x->bias, s.grad_bias, queries * o.S);
        dense_second_destroy(&s);
        second_call_destroy(call);
    }
}

static void results_agree_with_the_reference(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 240; seed++) {
        call_options o = second_call_options(seed);
        second_call *s = second_call_create(&o, seed, false);
        second_call_run(s);
        second_call_check(s, 3e-5, 1);
        second_call_destroy(s);
    }
}

static float *copies_of(const second_call *s)
{
    size_t count = s->grad_bias_size;
    for (int n = 0; n < SECOND_OUTPUTS; n++) count += s->sizes[n];
    float *copy = malloc(count * sizeof *copy), *at = copy;
    for (int n = 0; n < SECOND_OUTPUTS; n++) {
        if (s->sizes[n]) memcpy(at, s->buffers[n], s->sizes[n] * sizeof *copy);
        at += s->sizes[n];
    }
    if (s->grad_bias) memcpy(at, s->grad_bias, s->grad_bias_size * sizeof *copy);
    return copy;
}

static void assert_same(const second_call *s, const float *copy)
{
    for (int n = 0; n < SECOND_OUTPUTS; n++) {
        if (s->sizes[n]) assert_memory_equal(copy, s->buffers[n], s->sizes[n] * sizeof *copy);
        copy += s->sizes[n];
    }
    if (s->grad_bias) assert_memory_equal(copy, s->grad_bias, s->grad_bias_size * sizeof *copy);
}

static void threads_and_order_change_no_bit(void **state)
{
    (void)state;
    const attn_parallel ways[] = {{.threads = 2}, {.threads = 3}, {.threads = 8}, {.threads = 1, .run = run_backwards}};
    for (uint64_t seed = 300; seed < 312; seed++) {
        call_options o = second_call_options(seed);
        o.threads = 1;
        if (seed < 303) o.B = o.H = o.HK = 1, o.T = 300 + (int64_t)seed, o.S = 990 - (int64_t)seed, o.D = 9, o.DV = 5;
        second_call *s = second_call_create(&o, seed, false);
        second_call_run(s);
        float *once = copies_of(s);
        for (size_t way = 0; way < sizeof ways / sizeof ways[0]; way++) {
            s->c->desc.parallel = ways[way];
            second_call_run(s);
            assert_same(s, once);
        }
        free(once);
        second_call_destroy(s);
    }
}

/* A range of keys that a window, causality or lengths cut within a tile, and zeros of a mask for the same pairs: tiles
 * keep their places in both. */
static void a_range_has_the_bits_of_its_mask(void **state)
{
    (void)state;
    for (uint64_t seed = 320; seed < 344; seed++) {
        call_options o = second_call_options(seed);
        o.windowed = true, o.mask = o.blocks = o.mask_function = false;
        if (seed < 332) o.B = 1, o.T = (int64_t)seed - 200, o.S = (int64_t)seed - 120, o.D = 9, o.DV = 5;
        second_call *s = second_call_create(&o, seed, true);
        attn_desc *d = &s->c->desc;
        second_call_run(s);
        float *in_range = copies_of(s);
        unsigned char *mask = malloc((size_t)(o.B * o.H * o.T * o.S) + 1);
        for (int64_t n = 0; n < o.B * o.H * o.T * o.S; n++) mask[n] = s->c->reference.keep[n] != 0;
        d->mask = (attn_mask){mask, o.H * o.T * o.S, o.T * o.S, o.S, 1};
        d->window_left = d->window_right = -1, d->causal = false, d->key_lengths = NULL;
        second_call_run(s);
        assert_same(s, in_range);
        free(mask);
        free(in_range);
        second_call_destroy(s);
    }
}

/* Masks key 0 for every query and makes its rows NaN or infinite in every array of keys. */
static void spoil_a_key(second_call *s, unsigned char *mask)
{
    attn_desc *d = &s->c->desc;
    const call_options *o = &s->c->options;
    dense *x = &s->c->reference;
    const int64_t queries = o->B * o->H * o->T;
    memcpy(mask, d->mask.data, (size_t)(queries * o->S));
    for (int64_t n = 0; n < queries; n++) mask[n * o->S] = 0, x->keep[n * o->S] = 0;
    d->mask.data = mask;
    dense_forward(x);
    for (int64_t n = 0; n < queries * o->DV; n++) ((float *)d->o.data)[n] = (float)x->o[n];
    for (int64_t n = 0; n < queries; n++) ((float *)d->lse.data)[n] = (float)x->lse[n];
    const attn_view *views[] = {&d->k, &d->v, &s->second.by_grad_k, &s->second.by_grad_v};
    for (int64_t row = 0; row < o->B * o->HK; row++)
        for (int n = 0; n < 4; n++) {
            float *data = (float *)(uintptr_t)views[n]->data;
            data[row / o->HK * views[n]->batch + row % o->HK * views[n]->head] = row % 2 ? NAN : INFINITY;
        }
}

static void masked_keys_reach_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 340; seed < 352; seed++) {
        call_options o = second_call_options(seed);
        o.mask = true, o.broadcast = false;
        second_call *s = second_call_create(&o, seed, true);
        unsigned char *mask = malloc((size_t)(o.B * o.H * o.T * o.S));
        spoil_a_key(s, mask);
        second_call_run(s);
        second_call_check(s, 3e-5, 1);
        free(mask);
        second_call_destroy(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reference_agrees_with_differences),
        cmocka_unit_test(results_agree_with_the_reference),
        cmocka_unit_test(threads_and_order_change_no_bit),
        cmocka_unit_test(a_range_has_the_bits_of_its_mask),
        cmocka_unit_test(masked_keys_reach_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
