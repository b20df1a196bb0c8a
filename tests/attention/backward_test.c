#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "call.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The reference itself: each gradient against a central difference of its loss, in fp64. */
static void check_differences(dense *x, double *input, const double *gradient, int64_t count)
{
    const double step = 1e-5;
    for (int64_t n = 0; n < count; n += 1 + count / 40) {
        double was = input[n];
        input[n] = was + step;
        double above = dense_loss(x);
        input[n] = was - step;
        double below = dense_loss(x);
        input[n] = was;
        double want = (above - below) / (2 * step);
        if (fabs(gradient[n] - want) > 1e-7 * (1 + fabs(want)))
            fail_msg("element %lld: %.12g, by differences %.12g", (long long)n, gradient[n], want);
    }
}

static void the_reference_agrees_with_differences(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 12; seed++) {
        call_options o = call_random_options(seed);
        o.T = 1 + o.T % 9, o.S = 1 + o.S % 9, o.D = 1 + o.D % 5, o.DV = 1 + o.DV % 5;
        call *c = call_create(&o, seed);
        dense *x = &c->reference;
        dense_backward(x);
        int64_t queries = o.B * o.H * o.T, keys = o.B * o.HK * o.S;
        check_differences(x, x->q, x->grad_q, queries * o.D);
        check_differences(x, x->k, x->grad_k, keys * o.D);
        check_differences(x, x->v, x->grad_v, keys * o.DV);
        if (o.additive) check_differences(x, x->score_vector, x->grad_score_vector, o.H * o.D);
        if (o.sinks) check_differences(x, x->sinks, x->grad_sinks, o.H);
        if (o.alibi) check_differences(x, x->slopes, x->grad_slopes, o.H);
        if (o.bias) check_differences(x, x->bias, x->grad_bias, queries * o.S);
        call_destroy(c);
    }
}

/* A recurrent decoder's step, whose gradients of keys and values are written once: in up to four chunks of keys, for
 * several query heads to a key head, masked in every way. */
static void one_query_of_additive_scores_agrees_with_the_reference(void **state)
{
    (void)state;
    for (uint64_t seed = 800; seed < 920; seed++) {
        call_options o = call_random_options(seed);
        o.T = 1, o.additive = true;
        if (seed % 8 == 0) o.S += 600;
        call *c = call_create(&o, seed);
        call_backward(c);
        call_check(c, 1e-5, 1);
        call_destroy(c);
    }
}

static void gradients_agree_with_the_reference(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 260; seed++) {
        call_options o = call_random_options(seed);
        call *c = call_create(&o, seed);
        call_backward(c);
        call_check(c, 1e-5, 1);
        call_destroy(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reference_agrees_with_differences),
        cmocka_unit_test(one_query_of_additive_scores_agrees_with_the_reference),
        cmocka_unit_test(gradients_agree_with_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
