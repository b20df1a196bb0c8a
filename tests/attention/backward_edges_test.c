/* Backward at its edges: what is empty, what is masked, what is not a number, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "call.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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
    const call_options cases[] = {plain(0, 1, 3, 3, 4, 4), plain(2, 2, 0, 5, 4, 4), plain(2, 2, 5, 0, 4, 4),
                                  plain(1, 1, 0, 0, 4, 4), plain(1, 2, 5, 7, 0, 4), plain(1, 2, 5, 7, 4, 0)};
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; n++) {
        call *c = call_create(&cases[n], n);
        call_backward(c);
        call_check(c, 1e-5, 1);
        call_destroy(c);
    }
}

/* Additive scores over no dimensions need no vector, and stay within a workspace of their own size. */
static void no_dimensions_need_no_score_vector(void **state)
{
    (void)state;
    const call_options o = plain(1, 3, 34, 82, 0, 20);
    call *c = call_create(&o, 6);
    c->desc.score_vector.data = NULL;
    call_backward(c);
    call_check(c, 1e-5, 1);
    call_destroy(c);
}

/* Without keys a query still gives its sink a gradient, 0 without one of the log-sum-exp, and stays within a workspace
 * of additive scores' size. */
static void no_keys_leave_the_sinks_gradient(void **state)
{
    (void)state;
    for (int by_lse = 0; by_lse < 2; by_lse++) {
        call_options o = plain(2, 2, 63, 0, 3, 160);
        o.sinks = true, o.by_lse = by_lse;
        call *c = call_create(&o, 7);
        if (additive) c->desc.score_vector.data = NULL;
        call_backward(c);
        call_check(c, 1e-5, 1);
        call_destroy(c);
    }
}

/* A gradient's row holds zeros, or nothing that is not a number. */
static bool row_is_zero(const attn_output *g, int64_t b, int64_t h, int64_t i, int64_t columns)
{
    const float *row = (const float *)g->data + b * g->batch + h * g->head + i * g->row;
    for (int64_t c = 0; c < columns; c++)
        if (row[c] != 0) return false;
    return true;
}

static void rows_without_keys_give_zero(void **state)
{
    (void)state;
    call_options o = plain(2, 2, 9, 11, 5, 6);
    o.lengths = true, o.causal = true;
    call *c = call_create(&o, 5);
    c->lengths[0] = 0; /* no key at all; its forward gives zeros and -inf */
    memset(c->desc.o.data, 0, (size_t)(2 * 9 * 6) * sizeof(float));
    for (int n = 0; n < 18; n++) ((float *)c->desc.lse.data)[n] = -INFINITY;
    call_backward(c);
    for (int64_t h = 0; h < 2; h++) {
        for (int64_t i = 0; i < 9; i++) assert_true(row_is_zero(&c->desc.grad_q, 0, h, i, 5));
        for (int64_t j = 0; j < 11; j++) {
            assert_true(row_is_zero(&c->desc.grad_k, 0, h, j, 5));
            assert_true(row_is_zero(&c->desc.grad_v, 0, h, j, 6));
        }
    }
    call_destroy(c);
}

/* Writes `value` over a row of an input. */
static void spoil(const attn_view *view, int64_t row, int64_t columns, float value)
{
    float *data = (float *)view->data + row * view->row;
    for (int64_t c = 0; c < columns; c++) data[c] = value;
}

/* Query 3 attends to keys 0 .. 3 alone, key 7 is seen by queries 7 and on. */
static void what_is_masked_may_be_anything(void **state)
{
    (void)state;
    const float values[] = {NAN, INFINITY, -INFINITY};
    for (int n = 0; n < 3; n++)
        for (int windowed = 0; windowed < 2; windowed++) {
            call_options o = plain(1, 1, 10, 10, 5, 6);
            o.mask = true;
            call *c = call_create(&o, 11);
            unsigned char *mask = (unsigned char *)c->desc.mask.data;
            for (int i = 0; i < 10; i++) mask[10 * i + 4] = 0; /* key 4 is seen by none */
            for (int j = 0; j < 10; j++) mask[10 * 6 + j] = 0; /* query 6 sees none */
            c->desc.query_offset = 0;
            c->desc.causal = windowed;
            dense_destroy(&c->reference);
            c->reference = dense_create(&c->desc);
            dense_forward(&c->reference);
            dense_backward(&c->reference);
            for (int k = 0; k < 60; k++) ((float *)c->desc.o.data)[k] = (float)c->reference.o[k];
            for (int k = 0; k < 10; k++) ((float *)c->desc.lse.data)[k] = (float)c->reference.lse[k];
            spoil(&c->desc.k, 4, 5, values[n]);
            spoil(&c->desc.v, 4, 6, values[n]);
            spoil(&c->desc.q, 6, 5, values[n]);
            spoil(&c->desc.grad_o, 6, 6, values[n]);
            call_backward(c);
            call_check(c, 1e-5, 1);
            call_destroy(c);
        }
}

/* Of one query, whose tiles then write no gradient of keys that they leave out: what stood there does not stay. */
static void one_query_leaves_masked_gradients_zero(void **state)
{
    (void)state;
    for (int spoiled = 0; spoiled < 2; spoiled++) {
        call_options o = plain(1, 1, 1, 19, 5, 6);
        o.mask = true;
        call *c = call_create(&o, 13);
        unsigned char *mask = (unsigned char *)c->desc.mask.data;
        for (int j = 0; j < 19; j++) mask[j] = j < 2 || j == 9 || j == 15; /* a tile without any, ends, and parts */
        dense_destroy(&c->reference);
        c->reference = dense_create(&c->desc);
        dense_forward(&c->reference);
        dense_backward(&c->reference);
        for (int k = 0; k < 6; k++) ((float *)c->desc.o.data)[k] = (float)c->reference.o[k];
        ((float *)c->desc.lse.data)[0] = (float)c->reference.lse[0];
        if (spoiled) spoil(&c->desc.k, 8, 5, NAN);
        call_backward(c);
        call_check(c, 1e-5, 1);
        for (int j = 0; j < 19; j++) assert_int_equal(row_is_zero(&c->desc.grad_v, 0, 0, j, 6), !mask[j]);
        call_destroy(c);
    }
}

static bool row_has_nan(const attn_output *g, int64_t row, int64_t columns)
{
    for (int64_t c = 0; c < columns; c++)
        if (isnan(((const float *)g->data)[row * g->row + c])) return true;
    return false;
}

static void what_is_attended_to_spreads_its_nan(void **state)
{
    (void)state;
    call_options o = plain(1, 1, 10, 10, 5, 6);
    o.causal = true;
    call *c = call_create(&o, 12);
    c->desc.query_offset = 0;
    spoil(&c->desc.grad_o, 6, 6, NAN); /* query 6 attends to keys 0 .. 6 */
    call_backward(c);
    if (additive) assert_true(row_has_nan(&c->desc.grad_score_vector, 0, 5));
    for (int i = 0; i < 10; i++) assert_int_equal(row_has_nan(&c->desc.grad_q, i, 5), i == 6);
    for (int j = 0; j < 10; j++) {
        assert_int_equal(row_has_nan(&c->desc.grad_k, j, 5), j <= 6);
        assert_int_equal(row_has_nan(&c->desc.grad_v, j, 6), j <= 6);
    }
    call_destroy(c);
}

static void keys_beyond_the_length_are_not_read(void **state)
{
    (void)state;
    call_options o = plain(1, 1, 70, 90, 8, 8);
    o.lengths = true;
    call *c = call_create(&o, 13);
    for (int64_t j = c->lengths[0]; j < 90; j++) {
        spoil(&c->desc.k, j, 8, NAN);
        spoil(&c->desc.v, j, 8, NAN);
    }
    call_backward(c);
    call_check(c, 1e-5, 1);
    call_destroy(c);
}

static void a_gradient_not_asked_for_is_not_computed(void **state)
{
    (void)state;
    enum { GRADS = 4 };
    call_options o = plain(2, 2, 33, 20, 7, 9);
    o.sinks = true;
    call *c = call_create(&o, 14);
    call_backward(c);
    const float sinks[] = {c->desc.grad_sinks[0], c->desc.grad_sinks[1]};
    size_t bytes;
    assert_int_equal(attn_backward_workspace_size(&c->desc, &bytes), ATTN_OK);
    void *workspace = aligned_alloc(ATTN_ALIGNMENT, (bytes + 63) / 64 * 64);
    attn_output *grads[GRADS] = {&c->desc.grad_q, &c->desc.grad_k, &c->desc.grad_v, &c->desc.grad_score_vector};
    for (int n = 0; n < 3 + additive; n++) {
        float *whole = malloc(c->outputs[n].size * sizeof(float));
        memcpy(whole, c->outputs[n].buffer, c->outputs[n].size * sizeof(float));
        void *data[GRADS];
        float *grad_sinks = c->desc.grad_sinks;
        c->desc.grad_sinks = NULL;
        for (int k = 0; k < GRADS; k++) {
            data[k] = grads[k]->data;
            if (k != n) grads[k]->data = NULL;
        }
        assert_int_equal(attn_backward(&c->desc, workspace, bytes), ATTN_OK);
        assert_memory_equal(whole, c->outputs[n].buffer, c->outputs[n].size * sizeof(float));
        for (int k = 0; k < GRADS; k++) grads[k]->data = data[k];
        c->desc.grad_sinks = grad_sinks;
        free(whole);
    }
    for (int k = 0; k < GRADS; k++) grads[k]->data = NULL;
    c->desc.grad_sinks[0] = c->desc.grad_sinks[1] = NAN;
    assert_int_equal(attn_backward(&c->desc, workspace, bytes), ATTN_OK);
    assert_memory_equal(sinks, c->desc.grad_sinks, sizeof sinks);
    free(workspace);
    call_destroy(c);
}

static void wide_scores_stay_near(void **state)
{
    (void)state;
    call_options o = plain(1, 2, 100, 130, 64, 64);
    o.sigma = 2.5; /* scores of deviation 50, up to about 200 */
    call *c = call_create(&o, 15);
    call_backward(c);
    call_check(c, 2e-4, 1);
    call_destroy(c);
}

static void refuses(call *c, attn_status want, const char *word)
{
    size_t bytes = 1 << 24;
    void *workspace = aligned_alloc(ATTN_ALIGNMENT, bytes);
    attn_status got = attn_backward(&c->desc, workspace, bytes);
    free(workspace);
    if (got != want || !strstr(attn_error(), word))
        fail_msg("status %d and \"%s\", expected %d and a message with \"%s\"", got, attn_error(), want, word);
}

static void bad_arguments_are_refused(void **state)
{
    (void)state;
    call_options o = plain(2, 2, 5, 6, 4, 4);
    o.bias = true;
    call *c = call_create(&o, 16);
    const attn_desc good = c->desc;
    attn_desc *d = &c->desc;
    d->o.data = NULL, refuses(c, ATTN_ERROR_ARGUMENT, "o.data"), *d = good;
    d->lse.data = NULL, refuses(c, ATTN_ERROR_ARGUMENT, "lse.data"), *d = good;
    d->grad_lse.data = (char *)d->lse.data + 2, refuses(c, ATTN_ERROR_ARGUMENT, "grad_lse.data = "), *d = good;
    d->grad_lse = (attn_view){d->lse.data, INT64_MAX, 1, 1}, refuses(c, ATTN_ERROR_OVERFLOW, "grad_lse"), *d = good;
    d->grad_o.data = NULL, refuses(c, ATTN_ERROR_ARGUMENT, "grad_o.data"), *d = good;
    if (additive) {
        d->score_vector.data = NULL, refuses(c, ATTN_ERROR_ARGUMENT, "score_vector.data"), *d = good;
        d->grad_score_vector.head = 0, refuses(c, ATTN_ERROR_ARGUMENT, "grad_score_vector.head"), *d = good;
    }
    d->grad_k.row = 0, refuses(c, ATTN_ERROR_ARGUMENT, "grad_k.row"), *d = good;
    d->grad_v.head = INT64_MAX, refuses(c, ATTN_ERROR_OVERFLOW, "grad_v"), *d = good;
    d->bias.data = NULL, refuses(c, ATTN_ERROR_ARGUMENT, "grad_bias"), *d = good;
    d->bias.row = 0, refuses(c, ATTN_ERROR_ARGUMENT, "grad_bias.row"), *d = good;
    d->D = INT64_MAX / 2, refuses(c, ATTN_ERROR_OVERFLOW, "D"), *d = good;
    size_t bytes;
    assert_int_equal(attn_backward_workspace_size(d, &bytes), ATTN_OK);
    unsigned char *workspace = aligned_alloc(ATTN_ALIGNMENT, bytes + ATTN_ALIGNMENT);
    assert_int_equal(attn_backward(d, NULL, bytes), ATTN_ERROR_WORKSPACE);
    assert_int_equal(attn_backward(d, workspace, bytes - 1), ATTN_ERROR_WORKSPACE);
    assert_int_equal(attn_backward(d, workspace + 4, bytes), ATTN_ERROR_WORKSPACE);
    assert_int_equal(attn_backward(NULL, workspace, bytes), ATTN_ERROR_ARGUMENT);
    assert_int_equal(attn_backward_workspace_size(d, NULL), ATTN_ERROR_ARGUMENT);
    free(workspace);
    call_destroy(c);
}

static size_t workspace_for(int64_t length, bool vector)
{
    attn_desc d;
    size_t bytes;
    float nothing;
    attn_desc_init(&d, sizeof d, 1, 1, 1, length, length, 128, 128);
    d.parallel.threads = 1;
    if (additive) d.score = ATTN_SCORE_ADDITIVE, d.scale = 1;
    if (vector) d.grad_score_vector.data = &nothing;
    assert_int_equal(attn_backward_workspace_size(&d, &bytes), ATTN_OK);
    return bytes;
}

/* But for one vector of D for each 256 keys, where the score vector's gradient is wanted. */
static void the_workspace_does_not_grow_with_the_length(void **state)
{
    (void)state;
    assert_int_equal(workspace_for(64, false), workspace_for(131072, false));
    assert_true(workspace_for(131072, false) < 1 << 20);
    if (!additive) return;
    assert_int_equal(workspace_for(131072, true) - workspace_for(131072, false), 131072 / 256 * 128 * sizeof(float));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_sizes_give_zeros),
        cmocka_unit_test(no_dimensions_need_no_score_vector),
        cmocka_unit_test(no_keys_leave_the_sinks_gradient),
        cmocka_unit_test(rows_without_keys_give_zero),
        cmocka_unit_test(what_is_masked_may_be_anything),
        cmocka_unit_test(one_query_leaves_masked_gradients_zero),
        cmocka_unit_test(what_is_attended_to_spreads_its_nan),
        cmocka_unit_test(keys_beyond_the_length_are_not_read),
        cmocka_unit_test(a_gradient_not_asked_for_is_not_computed),
        cmocka_unit_test(wide_scores_stay_near),
        cmocka_unit_test(bad_arguments_are_refused),
        cmocka_unit_test(the_workspace_does_not_grow_with_the_length),
    };
    int failed = cmocka_run_group_tests_name("dot products", tests, NULL, NULL);
    additive = true;
    return failed + cmocka_run_group_tests_name("additive", tests, NULL, NULL);
}
