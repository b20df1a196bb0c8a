/* The narrow operations, which train in bf16, beside the same network in fp32: results and gradients within what
 * rounding each factor makes, and the same bits on any number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/random.h"
#include "base/status.h"
#include "tensor/operations.h"
#include "tensor/parameters.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Widths that are no multiple of a vector, and more rows than a task has. */
enum { BATCH = 3, LENGTH = 29, ROWS = BATCH * LENGTH, HEADS = 4, D = 12, WIDTH = HEADS * D, INNER = 75 };

static const struct {
    const char *name;
    int64_t rows, columns;
} declared[] = {
    {"x", ROWS, WIDTH},  {"memory", ROWS, WIDTH},  {"q", WIDTH, WIDTH},      {"qb", WIDTH, 0},
    {"k", WIDTH, WIDTH}, {"kb", WIDTH, 0},         {"v", WIDTH, WIDTH},      {"o", WIDTH, WIDTH},
    {"ob", WIDTH, 0},    {"in", INNER, WIDTH},     {"inb", INNER, 0},        {"out", WIDTH, INNER},
    {"outb", WIDTH, 0},  {"k2", WIDTH / 2, WIDTH}, {"v2", WIDTH / 2, WIDTH},
};

typedef struct network {
    activation act;
    bool grouped, cross; /* half as many heads of keys and values; keys and values of another x */
    float dropout;
} network;

static parameters create_parameters(void)
{
    parameters p = {0};
    for (size_t i = 0; i < sizeof declared / sizeof *declared; i++)
        parameters_declare(&p, declared[i].name, declared[i].columns ? 2 : 1,
                           (int64_t[]){declared[i].rows, declared[i].columns});
    assert_int_equal(parameters_allocate(&p, true), ATTN_OK);
    for (int64_t i = 0; i < p.total; i++)
        p.values[i] = 0.8f * (random_unit(random_philox(7, (uint64_t)i, 0).word[0]) - 0.5f);
    return p;
}

static tensor *attended(tape *t, parameters *p, const network *n, tensor *x, tensor *memory)
{
    const int64_t lengths[BATCH] = {LENGTH, 5, 17}, heads = n->grouped ? HEADS / 2 : HEADS;
    int64_t *kept = tape_take(t, BATCH, sizeof *kept);
    memcpy(kept, lengths, sizeof lengths);
    const attention_mask mask = {.key_lengths = kept};
    const linear_part parts[] = {
        {parameters_find(p, "q"), parameters_find(p, "qb")},
        {parameters_find(p, n->grouped ? "k2" : "k"), n->grouped ? NULL : parameters_find(p, "kb")},
        {parameters_find(p, n->grouped ? "v2" : "v"), NULL}};
    if (!tape_narrows(t)) {
        tensor *y[3];
        for (int i = 0; i < 3; i++) y[i] = tape_linear(t, i ? memory : x, parts[i].w, parts[i].b, ACTIVATION_NONE);
        return tape_attention(t, y[0], y[1], y[2], BATCH, HEADS, mask, n->dropout, NULL);
    }
    tensor *q = tape_narrow_linear(t, x, parts, x == memory ? 3 : 1, ACTIVATION_NONE, true), *kv = NULL;
    if (x != memory) kv = tape_narrow_linear(t, memory, parts + 1, 2, ACTIVATION_NONE, true);
    return tape_narrow_attention(t, q, kv, BATCH, HEADS, heads, 0, mask, n->dropout);
}

static const int32_t targets[ROWS];

static tensor *loss(tape *t, parameters *p, const network *n)
{
    tensor *x = tape_dropout(t, parameters_find(p, "x"), 0.1f); /* a result, whose values are rounded once */
    tensor *memory = n->cross ? tape_dropout(t, parameters_find(p, "memory"), 0.1f) : x;
    tensor *y = tape_linear(t, attended(t, p, n, x, memory), parameters_find(p, "o"), parameters_find(p, "ob"),
                            ACTIVATION_NONE);
    y = tape_add(t, x, y);
    const linear_part in = {parameters_find(p, "in"), parameters_find(p, "inb")};
    tensor *h =
        tape_narrows(t) ? tape_narrow_linear(t, y, &in, 1, n->act, true) : tape_linear(t, y, in.w, in.b, n->act);
    tensor *z = tape_linear(t, h, parameters_find(p, "out"), parameters_find(p, "outb"), ACTIVATION_NONE);
    return tape_cross_entropy(t, tape_add(t, y, z), targets, 0.1f, NULL, NULL);
}

static float run(parameters *p, const network *n, dense_type type, int threads)
{
    tape *t;
    assert_int_equal(tape_create(&t, TAPE_TRAIN, threads), ATTN_OK);
    assert_int_equal(tape_set_products(t, type), ATTN_OK);
    parameters_begin_gradients(p);
    tape_begin(t, 5);
    tensor *l = loss(t, p, n);
    assert_int_equal(tape_backward(t, l), ATTN_OK);
    parameters_end_gradients(p);
    const float value = l->value[0];
    tape_destroy(t);
    return value;
}

/* The norm of a - b by that of b. */
static double distance(int64_t count, const float *a, const float *b)
{
    double difference = 0, size = 0;
    for (int64_t i = 0; i < count; i++) {
        difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        size += (double)b[i] * b[i];
    }
    return size > 0 ? sqrt(difference / size) : sqrt(difference);
}

static void compare(const network *n)
{
    parameters p = create_parameters(), twin = create_parameters();
    const float expected = run(&twin, n, DENSE_FP32, 1), found = run(&p, n, DENSE_BF16, 1);
    assert_float_equal(found, expected, 0x1p-7 * fabsf(expected));
    /* A sum that rounding takes over 0 turns ReLU's slope from 0 to 1. */
    const double allowed = n->act == ACTIVATION_RELU ? 0x1p-3 : 0x1p-6;
    for (size_t i = 0; i < sizeof declared / sizeof *declared; i++) {
        const tensor *a = parameters_find(&p, declared[i].name), *b = parameters_find(&twin, declared[i].name);
        const double far = distance(tensor_count(a), a->grad, b->grad);
        /* All keys' scores together move nothing: the gradient of their bias is rounding alone. */
        if (far > allowed && strcmp(declared[i].name, "kb") != 0)
            fail_msg("activation %d, %s: gradients are %g apart", (int)n->act, declared[i].name, far);
    }
    parameters again = create_parameters();
    for (int threads = 2; threads <= 3; threads++) {
        assert_true(run(&again, n, DENSE_BF16, threads) == found);
        assert_memory_equal(again.grads, p.grads, (size_t)p.total * sizeof(float));
    }
    parameters_destroy(&again);
    parameters_destroy(&twin);
    parameters_destroy(&p);
}

static void gradients_are_those_of_fp32(void **state)
{
    (void)state;
    if (dense_supports(DENSE_BF16) != ATTN_OK) skip();
    for (int act = ACTIVATION_RELU; act <= ACTIVATION_TANH; act++) compare(&(network){.act = (activation)act});
    compare(&(network){.act = ACTIVATION_GELU, .grouped = true});
    compare(&(network){.act = ACTIVATION_GELU, .cross = true});
    compare(&(network){.act = ACTIVATION_GELU, .cross = true, .grouped = true, .dropout = 0.1f});
}

static void one_operation_takes_a_narrow_result(void **state)
{
    (void)state;
    if (dense_supports(DENSE_BF16) != ATTN_OK) skip();
    parameters p = create_parameters();
    tape *t;
    assert_int_equal(tape_create(&t, TAPE_TRAIN, 1), ATTN_OK);
    assert_int_equal(tape_set_products(t, DENSE_BF16), ATTN_OK);
    tape_begin(t, 1);
    const linear_part q = {parameters_find(&p, "q"), NULL};
    tensor *y = tape_narrow_linear(t, parameters_find(&p, "x"), &q, 1, ACTIVATION_NONE, true);
    assert_true(tensor_is_narrow(y));
    tensor *sum = tape_add(t, tape_linear(t, y, parameters_find(&p, "k"), NULL, ACTIVATION_NONE),
                           tape_linear(t, y, parameters_find(&p, "v"), NULL, ACTIVATION_NONE));
    assert_int_equal(tape_backward(t, tape_cross_entropy(t, sum, targets, 0, NULL, NULL)), ATTN_ERROR_ARGUMENT);
    assert_non_null(strstr(status_message(), "narrow"));

    tape_begin(t, 1);
    tape_narrow_linear(t, parameters_find(&p, "x"), &(linear_part){parameters_find(&p, "out"), NULL}, 1,
                       ACTIVATION_NONE, true);
    assert_int_equal(tape_status(t), ATTN_ERROR_ARGUMENT);
    tape_begin(t, 1);
    y = tape_narrow_linear(t, parameters_find(&p, "x"), &q, 1, ACTIVATION_NONE, true);
    tape_narrow_attention(t, y, NULL, BATCH, HEADS, 3, 0, (attention_mask){0}, 0);
    assert_int_equal(tape_status(t), ATTN_ERROR_ARGUMENT);
    tape_destroy(t);
    parameters_destroy(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_those_of_fp32),
        cmocka_unit_test(one_operation_takes_a_narrow_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
