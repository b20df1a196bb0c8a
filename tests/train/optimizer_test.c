#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "train/adam.h"
#include "train/clip.h"
#include "train/schedule.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Worked by hand: beta1 0.5, beta2 0.75, epsilon 0, rate 0.1, value 1, gradients 2, -4, 1.
 *   1: m = 1      v = 1       m^ = 1/(1/2) = 2        v^ = 1/(1/4) = 4            step = 2/2
 *   2: m = -3/2   v = 19/4    m^ = (-3/2)/(3/4) = -2  v^ = (19/4)/(7/16) = 76/7   step = -2/sqrt(76/7)
 *   3: m = -1/4   v = 61/16   m^ = (-1/4)/(7/8)       v^ = (61/16)/(37/64)        step = (-2/7)/sqrt(244/37) */
static void adam_follows_a_trajectory_worked_by_hand(void **state)
{
    (void)state;
    enum { N = 37 }; /* two vectors and a tail */
    adam a;
    assert_int_equal(adam_create(&a, &(adam_options){0.5f, 0.75f, 0, 0}, N), ATTN_OK);
    const double gradients[] = {2, -4, 1};
    const double steps[] = {1, -2 / sqrt(76.0 / 7), -2.0 / 7 / sqrt(244.0 / 37)};
    float values[N], grads[N];
    double want = 1;
    for (int i = 0; i < N; i++) values[i] = 1;
    for (int s = 0; s < 3; s++) {
        for (int i = 0; i < N; i++) grads[i] = (float)(4 * gradients[s]);
        adam_step(&a, 2, 0.1f, 0.25f, grads, values);
        want -= 0.1 * steps[s];
        for (int i = 0; i < N; i++) assert_float_equal(values[i], want, 1e-6);
    }
    assert_int_equal(a.step, 3);
    adam_destroy(&a);
}

static void decay_is_apart_from_the_moments(void **state)
{
    (void)state;
    adam a;
    assert_int_equal(adam_create(&a, &(adam_options){0.9f, 0.98f, 1e-9f, 0.5f}, 1), ATTN_OK);
    float value = 2, grad = 0;
    adam_step(&a, 1, 0.1f, 1, &grad, &value);
    assert_float_equal(value, 2 - 0.1 * 0.5 * 2, 1e-6);
    adam_destroy(&a);
}

static void decay_leaves_exempt_runs_alone(void **state)
{
    (void)state;
    enum { N = 100000 }; /* more than one task */
    adam a;
    assert_int_equal(adam_create(&a, &(adam_options){0.9f, 0.98f, 1e-9f, 0.5f}, N), ATTN_OK);
    static const adam_span exempt[] = {{0, 3}, {10, 1}, {30000, 40000}, {N - 2, 2}};
    for (int i = 0; i < 4; i++) assert_int_equal(adam_exempt(&a, exempt[i].begin, exempt[i].count), ATTN_OK);
    float *values = malloc(N * sizeof *values), *grads = calloc(N, sizeof *grads);
    for (int i = 0; i < N; i++) values[i] = 2;
    adam_step(&a, 2, 0.1f, 1, grads, values);
    for (int64_t i = 0; i < N; i++) {
        bool spared = false;
        for (int j = 0; j < 4; j++) spared |= i >= exempt[j].begin && i < exempt[j].begin + exempt[j].count;
        assert_float_equal(values[i], spared ? 2 : 2 - 0.1 * 0.5 * 2, 1e-6);
    }
    free(values);
    free(grads);
    adam_destroy(&a);
}

static void the_norm_is_the_same_for_any_threads(void **state)
{
    (void)state;
    enum { N = 100001 };
    float *x = malloc(N * sizeof *x);
    double want = 0;
    for (int i = 0; i < N; i++) x[i] = (float)(i % 1001 - 500) * 1e-3f;
    for (int i = 0; i < N; i++) want += (double)x[i] * x[i];
    double one = gradient_norm(1, N, x), two = gradient_norm(2, N, x);
    assert_memory_equal(&one, &two, sizeof one);
    assert_float_equal(one, sqrt(want), 1e-8);
    assert_true(gradient_norm(1, 0, x) == 0 && gradient_norm(1, 1, x) == (double)0.5f);
    x[77] = NAN;
    assert_true(isnan(gradient_norm(2, N, x)));
    free(x);
    assert_float_equal(clip_scale(4, 1), 0.25, 0);
    assert_true(clip_scale(0.5, 1) == 1 && clip_scale(4, 0) == 1);
}

static void the_rate_warms_up_and_decays(void **state)
{
    (void)state;
    assert_float_equal(schedule_rate(1e-3, 400, ATTN_SEQ_SCHEDULE_ROOT, 1), 1e-3 / 400, 1e-9);
    assert_float_equal(schedule_rate(1e-3, 400, ATTN_SEQ_SCHEDULE_ROOT, 200), 5e-4, 1e-9);
    assert_float_equal(schedule_rate(1e-3, 400, ATTN_SEQ_SCHEDULE_ROOT, 400), 1e-3, 1e-9);
    assert_float_equal(schedule_rate(1e-3, 400, ATTN_SEQ_SCHEDULE_ROOT, 1600), 5e-4, 1e-9);
    assert_float_equal(schedule_rate(1e-3, 0, ATTN_SEQ_SCHEDULE_ROOT, 1), 1e-3, 1e-9);
    assert_float_equal(schedule_rate(1e-3, 400, ATTN_SEQ_SCHEDULE_FLAT, 200), 5e-4, 1e-9);
    assert_float_equal(schedule_rate(1e-3, 400, ATTN_SEQ_SCHEDULE_FLAT, 1600), 1e-3, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adam_follows_a_trajectory_worked_by_hand),
        cmocka_unit_test(decay_is_apart_from_the_moments),
        cmocka_unit_test(decay_leaves_exempt_runs_alone),
        cmocka_unit_test(the_norm_is_the_same_for_any_threads),
        cmocka_unit_test(the_rate_warms_up_and_decays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
