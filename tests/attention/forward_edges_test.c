/* Forward at its edges: what is empty, what is masked, what is not a number. Every size stands for a kernel: in lanes,
 * with a last vector part full, and in rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "forward_call.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const int64_t query_counts[] = {1, 3, 20, 70};
#define QUERY_COUNTS (sizeof query_counts / sizeof query_counts[0])

static bool additive; /* the tests run once for each kind of score */

static call_options plain(int64_t B, int64_t H, int64_t T, int64_t S, int64_t D, int64_t DV)
{
    call_options o = {.B = B, .H = H, .HK = H, .T = T, .S = S, .D = D, .DV = DV, .sigma = 1, .threads = 1};
    o.additive = additive;
    return o;
}

static void empty_sizes_give_zeros(void **state)
{
    (void)state;
    const call_options cases[] = {plain(0, 1, 3, 3, 4, 4),  plain(2, 2, 0, 5, 4, 4), plain(2, 2, 5, 0, 4, 4),
                                  plain(2, 2, 20, 0, 4, 4), plain(1, 1, 0, 0, 4, 4), plain(1, 2, 5, 7, 0, 4),
                                  plain(1, 2, 5, 7, 4, 0),  plain(1, 2, 2, 7, 0, 4)};
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; n++) {
        call *c = call_create(&cases[n], n);
        attn_desc d = c->desc;
        if (!d.S) d.k.data = d.v.data = NULL;
        forward_results r = forward_call(&d, n);
        for (int64_t m = 0; m < d.B * d.H * d.T; m++) {
            for (int64_t x = 0; x < d.DV; x++)
                assert_true(fabs(r.o[m * d.DV + x] - c->reference.o[m * d.DV + x]) < 1e-6);
            if (!d.S) assert_true(r.lse[m] == -INFINITY);
        }
        forward_results_free(&r);
        call_destroy(c);
    }
}

static void rows_without_keys_give_zeros(void **state)
{
    (void)state;
    for (size_t n = 0; n < QUERY_COUNTS; n++) {
        call_options o = plain(2, 2, query_counts[n], 40, 5, 6);
        o.mask = o.causal = true;
        call *c = call_create(&o, n);
        c->desc.query_offset = -2; /* the first two queries stand before the first key */
        forward_results r = forward_call(&c->desc, n);
        for (int64_t m = 0; m < 4 * o.T; m++) {
            if (m % o.T > 1) continue;
            assert_true(r.lse[m] == -INFINITY);
            for (int x = 0; x < 6; x++) assert_true(r.o[m * 6 + x] == 0 && !signbit(r.o[m * 6 + x]));
        }
        forward_results_free(&r);
        call_destroy(c);
    }
}

/* The sink alone is left. */
static void rows_with_a_sink_and_no_keys_give_zeros(void **state)
{
    (void)state;
    for (size_t n = 0; n < QUERY_COUNTS; n++)
        for (int64_t S = 0; S <= 40; S += 40) {
            call_options o = plain(1, 3, query_counts[n], S, 5, 6);
            call *c = call_create(&o, n);
            const float sinks[] = {1.5f, -INFINITY, -20};
            c->desc.sinks = sinks;
            c->desc.causal = true;
            c->desc.query_offset = -100;
            forward_results r = forward_call(&c->desc, n);
            for (int64_t m = 0; m < 3 * o.T; m++) {
                float sink = sinks[m / o.T];
                if (sink == -INFINITY ? r.lse[m] != sink : fabsf(r.lse[m] - sink) > 1e-6f * fabsf(sink))
                    fail_msg("lse is %.9g, expected the sink, %g", r.lse[m], sink);
                for (int x = 0; x < 6; x++) assert_true(r.o[m * 6 + x] == 0);
            }
            forward_results_free(&r);
            call_destroy(c);
        }
}

/* A sink of -inf is none; one that is not a number, or +inf, spoils its head's rows and no other's. */
static void odd_sinks_do_as_they_must(void **state)
{
    (void)state;
    for (size_t n = 0; n < QUERY_COUNTS; n++)
        for (int odd = 0; odd < 3; odd++) {
            call_options o = plain(1, 2, query_counts[n], 200, 5, 6);
            o.causal = true;
            call *c = call_create(&o, 90 + n);
            c->desc.query_offset = -1; /* the first query sees no key */
            const float values[] = {-INFINITY, NAN, INFINITY}, sinks[] = {values[odd], -INFINITY};
            forward_results plain = forward_call(&c->desc, n);
            c->desc.sinks = sinks;
            forward_results r = forward_call(&c->desc, n);
            int64_t spoilt = odd ? o.T : 0;
            for (int64_t m = 0; m < spoilt * 6; m++) assert_true(isnan(r.o[m]) && isnan(r.lse[m / 6]));
            expect_same_bits("o", n, plain.o + spoilt * 6, r.o + spoilt * 6, (2 * o.T - spoilt) * 6);
            expect_same_bits("lse", n, plain.lse + spoilt, r.lse + spoilt, 2 * o.T - spoilt);
            forward_results_free(&plain);
            forward_results_free(&r);
            call_destroy(c);
        }
}

static float *row_of(const attn_view *view, int64_t i)
{
    return (float *)view->data + i * view->row;
}

/* A causal and masked problem of one head, of as many queries as keys; the keys that query i sees. */
static bool sees(const call *c, int64_t i, int64_t j)
{
    return c->reference.keep[i * c->desc.S + j] != 0;
}

/* Key `key` spoilt, the same bits in the rows that do not see it, and NaN in those that do: in all columns for K, in
 * column 2 alone for V. */
static void check_spoilt(call *c, bool value_spoilt, int64_t key, float value)
{
    attn_desc *d = &c->desc;
    forward_results before = forward_call(d, 0);
    float *at = value_spoilt ? row_of(&d->v, key) + 2 : row_of(&d->k, key);
    float was = *at;
    *at = value;
    forward_results after = forward_call(d, 0);
    for (int64_t i = 0; i < d->T; i++) {
        const float *row = after.o + i * d->DV;
        if (!sees(c, i, key)) {
            expect_same_bits("a row that does not see it", c->seed, before.o + i * d->DV, row, d->DV);
            expect_same_bits("its lse", c->seed, before.lse + i, after.lse + i, 1);
            continue;
        }
        for (int64_t x = 0; x < d->DV; x++) {
            bool spoilt = !value_spoilt || x == 2;
            if (spoilt && isfinite(row[x])) fail_msg("query %d, column %d is %g", (int)i, (int)x, row[x]);
            if (!spoilt && row[x] != before.o[i * d->DV + x]) fail_msg("query %d, column %d changed", (int)i, (int)x);
        }
        if (!value_spoilt) assert_true(isnan(after.lse[i]));
    }
    *at = was;
    forward_results_free(&before);
    forward_results_free(&after);
}

static void what_is_masked_may_be_anything(void **state)
{
    (void)state;
    for (size_t n = 0; n < QUERY_COUNTS; n++)
        for (int causal = 0; causal < 2; causal++) {
            call_options o = plain(1, 1, query_counts[n], 150, 5, 6);
            o.causal = causal;
            o.mask = !causal;
            call *c = call_create(&o, 20 + n);
            for (int64_t key = 0; key < o.S; key += 37) {
                check_spoilt(c, false, key, NAN);
                check_spoilt(c, true, key, NAN);
                check_spoilt(c, true, key, INFINITY);
            }
            call_destroy(c);
        }
}

static void a_bias_of_minus_infinity_masks_anything(void **state)
{
    (void)state;
    for (size_t n = 0; n < QUERY_COUNTS; n++) {
        call_options o = plain(1, 1, query_counts[n], 50, 5, 6);
        o.bias = true;
        call *c = call_create(&o, 40 + n);
        for (int64_t key = 0; key < o.S; key += 7) {
            check_spoilt(c, false, key, NAN);
            check_spoilt(c, true, key, NAN);
        }
        call_destroy(c);
    }
}

static void a_spoilt_query_spoils_its_row_alone(void **state)
{
    (void)state;
    for (size_t n = 0; n < QUERY_COUNTS; n++) {
        call_options o = plain(1, 1, query_counts[n], 150, 5, 6);
        call *c = call_create(&o, 60 + n);
        forward_results before = forward_call(&c->desc, 0);
        int64_t spoilt = o.T / 2;
        row_of(&c->desc.q, spoilt)[4] = NAN;
        forward_results after = forward_call(&c->desc, 0);
        for (int64_t i = 0; i < o.T; i++) {
            if (i != spoilt) expect_same_bits("another row", n, before.o + i * 6, after.o + i * 6, 6);
            for (int x = 0; x < 6 && i == spoilt; x++) assert_true(isnan(after.o[i * 6 + x]));
        }
        assert_true(isnan(after.lse[spoilt]));
        forward_results_free(&before);
        forward_results_free(&after);
        call_destroy(c);
    }
}

static void an_infinite_score_spoils_its_row(void **state)
{
    (void)state;
    if (additive) return; /* such a score is at most the sum of the vector's sizes */
    for (size_t n = 0; n < QUERY_COUNTS; n++) {
        call_options o = plain(1, 1, query_counts[n], 150, 5, 6);
        call *c = call_create(&o, 80 + n);
        for (int64_t i = 0; i < o.T; i++) row_of(&c->desc.q, i)[0] = 1;
        row_of(&c->desc.k, 130)[0] = INFINITY;
        forward_results r = forward_call(&c->desc, 0);
        for (int64_t m = 0; m < o.T * 6; m++) assert_true(isnan(r.o[m]));
        forward_results_free(&r);
        row_of(&c->desc.k, 130)[0] = -INFINITY; /* weighs nothing */
        r = forward_call(&c->desc, 0);
        for (int64_t m = 0; m < o.T * 6; m++) assert_true(isfinite(r.o[m]));
        forward_results_free(&r);
        call_destroy(c);
    }
}

/* Offsets and windows at the ends of their range mask all or nothing, without overflow. */
static void extreme_positions_are_sound(void **state)
{
    (void)state;
    call_options o = plain(1, 1, 20, 50, 5, 6);
    call *c = call_create(&o, 100);
    c->desc.query_offset = 0;
    forward_results all = forward_call(&c->desc, 0);
    attn_desc d = c->desc;
    d.window_left = d.window_right = INT64_MAX;
    forward_results wide = forward_call(&d, 0);
    expect_same_bits("a window of INT64_MAX", 0, all.o, wide.o, 120);
    d.window_left = d.window_right = -1;
    d.causal = true;
    d.query_offset = INT64_MAX;
    forward_results late = forward_call(&d, 0);
    expect_same_bits("an offset of INT64_MAX", 0, all.o, late.o, 120);
    d.query_offset = INT64_MIN;
    forward_results early = forward_call(&d, 0);
    for (int n = 0; n < 120; n++) assert_true(early.o[n] == 0);
    forward_results *each[] = {&all, &wide, &late, &early};
    for (int n = 0; n < 4; n++) forward_results_free(each[n]);
    call_destroy(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_sizes_give_zeros),
        cmocka_unit_test(rows_without_keys_give_zeros),
        cmocka_unit_test(rows_with_a_sink_and_no_keys_give_zeros),
        cmocka_unit_test(odd_sinks_do_as_they_must),
        cmocka_unit_test(what_is_masked_may_be_anything),
        cmocka_unit_test(a_bias_of_minus_infinity_masks_anything),
        cmocka_unit_test(a_spoilt_query_spoils_its_row_alone),
        cmocka_unit_test(an_infinite_score_spoils_its_row),
        cmocka_unit_test(extreme_positions_are_sound),
    };
    int failed = cmocka_run_group_tests_name("dot products", tests, NULL, NULL);
    additive = true;
    return failed + cmocka_run_group_tests_name("additive", tests, NULL, NULL);
}
