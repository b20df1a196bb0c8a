#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/status.h"
#include "tensor/operations.h"
#include "tensor/parameters.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A table (5, 40), weights (40, 40), norms. */
static parameters create_parameters(bool trainable)
{
    parameters p = {0};
    const int64_t d = 40;
    parameters_declare(&p, "table", 2, (int64_t[]){5, d});
    parameters_declare(&p, "weight", 2, (int64_t[]){d, d});
    parameters_declare(&p, "gamma", 1, &d);
    parameters_declare(&p, "beta", 1, &d);
    assert_int_equal(parameters_allocate(&p, trainable), ATTN_OK);
    for (int64_t i = 0; i < p.total; i++) p.values[i] = (float)(i % 37 - 18) / 19;
    return p;
}

static const int32_t ids[130], bad_ids[] = {0, 5};
static const int32_t targets[130];

static tensor *network(tape *t, parameters *p, const int32_t *tokens, int64_t rows)
{
    tensor *x = tape_embed(t, parameters_find(p, "table"), tokens, rows, 1);
    tensor *y = tape_linear(t, tape_dropout(t, x, 0.25f), parameters_find(p, "weight"), NULL, ACTIVATION_GELU);
    y = tape_layer_norm(t, y, x, parameters_find(p, "gamma"), parameters_find(p, "beta"), 1e-5f);
    return tape_cross_entropy(t, y, targets, 0.1f, NULL, NULL);
}

static void a_failure_is_kept_and_ends_the_step(void **state)
{
    (void)state;
    parameters p = create_parameters(true);
    tape *t;
    assert_int_equal(tape_create(&t, TAPE_TRAIN, 2), ATTN_OK);
    tensor *loss = network(t, &p, bad_ids, 2);
    assert_int_equal(tape_status(t), ATTN_ERROR_ARGUMENT);
    assert_int_equal(tensor_count(loss), 0);
    assert_non_null(strstr(status_message(), "id 5 at row 1"));
    tape_fail(t, ATTN_ERROR_MEMORY);
    assert_int_equal(tape_backward(t, loss), ATTN_ERROR_ARGUMENT);
    for (int64_t i = 0; i < p.total; i++) assert_true(p.grads[i] == 0);

    tape_begin(t, 1);
    loss = network(t, &p, ids, 2);
    assert_int_equal(tape_backward(t, loss), ATTN_OK);
    assert_int_equal(tape_create(&t, TAPE_TRAIN, -1), ATTN_ERROR_ARGUMENT);
    tape_destroy(t);
    parameters_destroy(&p);
}

static void shapes_are_checked(void **state)
{
    (void)state;
    parameters p = create_parameters(false);
    tape *t;
    assert_int_equal(tape_create(&t, TAPE_INFER, 1), ATTN_OK);
    tensor *table = parameters_find(&p, "table"), *gamma = parameters_find(&p, "gamma");
    tape_linear(t, table, table, gamma, ACTIVATION_NONE);
    assert_int_equal(tape_status(t), ATTN_ERROR_ARGUMENT);
    tape_begin(t, 0);
    tape_layer_norm(t, table, gamma, gamma, gamma, 1e-5f);
    assert_int_equal(tape_status(t), ATTN_ERROR_ARGUMENT);
    tape_begin(t, 0);
    tape_add(t, table, gamma);
    assert_int_equal(tape_status(t), ATTN_ERROR_ARGUMENT);
    tape_begin(t, 0);
    tape_dropout(t, table, 1);
    assert_int_equal(tape_status(t), ATTN_ERROR_ARGUMENT);
    tape_begin(t, 0);
    tape_take_rows(t, table, (int64_t[]){5}, 1);
    assert_int_equal(tape_status(t), ATTN_ERROR_ARGUMENT);
    tape_begin(t, 0);
    tape_attention(t, table, table, table, 2, 4, (attention_mask){0}, 0, NULL);
    assert_int_equal(tape_status(t), ATTN_ERROR_ARGUMENT);
    tape_begin(t, 0);
    tape_cross_entropy(t, table, (int32_t[]){0, 1, 40, 0, 0}, 0, NULL, NULL);
    assert_int_equal(tape_status(t), ATTN_ERROR_ARGUMENT);
    tape_destroy(t);
    parameters_destroy(&p);
}

static void inferring_drops_and_records_nothing(void **state)
{
    (void)state;
    parameters p = create_parameters(false);
    tape *t;
    assert_int_equal(tape_create(&t, TAPE_INFER, 1), ATTN_OK);
    tensor *table = parameters_find(&p, "table");
    assert_ptr_equal(tape_dropout(t, table, 0.9f), table);
    tensor *loss = network(t, &p, ids, 3);
    assert_int_equal(tape_status(t), ATTN_OK);
    assert_false(tensor_differentiated(loss));
    assert_null(tape_record(t, 8, NULL));
    assert_int_equal(tape_backward(t, loss), ATTN_ERROR_ARGUMENT);
    tape_destroy(t);
    parameters_destroy(&p);
}

static void dropout_keeps_the_mean_and_follows_the_key(void **state)
{
    (void)state;
    enum { N = 100003 };
    float *ones = malloc(N * sizeof *ones), *first = malloc(N * sizeof *first);
    for (int i = 0; i < N; i++) ones[i] = 1;
    tensor x = {.rank = 1, .shape = {N}, .value = ones};
    tape *t;
    assert_int_equal(tape_create(&t, TAPE_TRAIN, 2), ATTN_OK);
    double sums[3];
    int differing[3] = {0};
    for (int round = 0; round < 3; round++) {
        tape_begin(t, round == 2 ? 8 : 7);
        tensor *y = tape_dropout(t, &x, 0.3f);
        sums[round] = 0;
        for (int i = 0; i < N; i++) {
            assert_true(y->value[i] == 0 || y->value[i] == 1 / (1 - 0.3f));
            sums[round] += y->value[i] / N;
            differing[round] += round && y->value[i] != first[i];
        }
        if (!round) memcpy(first, y->value, N * sizeof *first);
        assert_true(sums[round] > 0.99 && sums[round] < 1.01);
    }
    assert_int_equal(differing[1], 0);
    assert_true(differing[2] > N / 3);
    tape_destroy(t);
    free(ones);
    free(first);
}

static void bits_do_not_depend_on_threads(void **state)
{
    (void)state;
    parameters p = create_parameters(true);
    float *first = malloc((size_t)p.total * sizeof *first);
    for (int threads = 1; threads <= 3; threads++) {
        tape *t;
        assert_int_equal(tape_create(&t, TAPE_TRAIN, threads), ATTN_OK);
        memset(p.grads, 0, (size_t)p.total * sizeof(float));
        tape_begin(t, 5);
        assert_int_equal(tape_backward(t, network(t, &p, ids, 130)), ATTN_OK);
        if (threads == 1) memcpy(first, p.grads, (size_t)p.total * sizeof(float));
        assert_memory_equal(first, p.grads, (size_t)p.total * sizeof(float));
        tape_destroy(t);
    }
    free(first);
    parameters_destroy(&p);
}

static double squares(const float *x, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += (double)x[i] * x[i];
    return sum;
}

/* Three products with the same weights, of which the second and the third find them packed: all that they give must be
 * what the first one gives, and after the weights have changed the next step must not see the old ones. */
static void products_with_the_same_weights(dense_type type)
{
    enum { ROWS = 7, D = 40, TIMES = 3 };
    parameters p = create_parameters(true);
    tensor *w = parameters_find(&p, "weight"), *x[TIMES], *y[TIMES];
    double before = 0;
    tape *t;
    assert_int_equal(tape_create(&t, TAPE_TRAIN, 1), ATTN_OK);
    assert_int_equal(tape_set_products(t, type), ATTN_OK);
    for (int step = 0; step < 2; step++) {
        parameters_begin_gradients(&p);
        tape_begin(t, 1);
        for (int i = 0; i < TIMES; i++) {
            x[i] = tape_embed(t, parameters_find(&p, "table"), ids, ROWS, 1);
            y[i] = tape_linear(t, x[i], w, NULL, ACTIVATION_NONE);
        }
        tensor *all = tape_concatenate(t, y, TIMES);
        assert_int_equal(tape_backward(t, tape_cross_entropy(t, all, targets, 0, NULL, NULL)), ATTN_OK);
        const double size = squares(y[0]->value, ROWS * D);
        for (int i = 1; i < TIMES; i++)
            for (int j = 0; j < ROWS * D; j++) assert_float_equal(y[i]->value[j], y[0]->value[j], 1e-5);
        for (int i = 0; i < TIMES; i++) /* dx = dy w, from what y was given */
            for (int j = 0; j < ROWS * D; j++) {
                double expected = 0, largest = 0;
                for (int o = 0; o < D; o++) {
                    expected += (double)y[i]->grad[j / D * D + o] * w->value[o * D + j % D];
                    largest += fabs((double)y[i]->grad[j / D * D + o]);
                }
                assert_float_equal(x[i]->grad[j], expected, largest * (type == DENSE_BF16 ? 0x1p-7 : 1e-5));
            }
        if (step) assert_float_equal(size / before, 4, 1e-3);
        before = size;
        for (int j = 0; j < D * D; j++) w->value[j] *= 2;
        parameters_end_gradients(&p);
    }
    tape_destroy(t);
    parameters_destroy(&p);
}

static void weights_packed_in_a_step_are_those_of_the_step(void **state)
{
    (void)state;
    products_with_the_same_weights(DENSE_FP32);
    if (dense_supports(DENSE_BF16) == ATTN_OK) products_with_the_same_weights(DENSE_BF16);
}

/* Layers on layers in the memory of one, and the same values; when training all of them stay. */
static void layers_give_their_memory_back(void **state)
{
    (void)state;
    parameters p = create_parameters(false);
    float want[130 * 40];
    for (int kept = 0; kept < 2; kept++) {
        tape *t;
        assert_int_equal(tape_create(&t, TAPE_INFER, 1), ATTN_OK);
        tensor *x = tape_embed(t, parameters_find(&p, "table"), ids, 130, 1);
        const arena_place place = arena_place_now(tape_arena(t));
        for (int layer = 0; layer < 200; layer++) {
            x = tape_linear(t, x, parameters_find(&p, "weight"), NULL, ACTIVATION_TANH);
            if (kept) x = tape_keep(t, place, x);
        }
        assert_int_equal(tape_status(t), ATTN_OK);
        if (kept) assert_memory_equal(x->value, want, sizeof want);
        if (kept) assert_true(arena_capacity(tape_arena(t)) <= (size_t)1 << 20);
        memcpy(want, x->value, sizeof want);
        tape_destroy(t);
    }
    tape *t;
    assert_int_equal(tape_create(&t, TAPE_TRAIN, 1), ATTN_OK);
    tensor *x = tape_embed(t, parameters_find(&p, "table"), ids, 130, 1);
    assert_ptr_equal(tape_keep(t, arena_place_now(tape_arena(t)), x), x);
    tape_destroy(t);
    parameters_destroy(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_is_kept_and_ends_the_step),
        cmocka_unit_test(shapes_are_checked),
        cmocka_unit_test(inferring_drops_and_records_nothing),
        cmocka_unit_test(bits_do_not_depend_on_threads),
        cmocka_unit_test(dropout_keeps_the_mean_and_follows_the_key),
        cmocka_unit_test(layers_give_their_memory_back),
        cmocka_unit_test(weights_packed_in_a_step_are_those_of_the_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
