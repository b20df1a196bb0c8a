/* Central finite differences of a scalar function of some leaves against what the tape says. The scalar is a fixed
 * random weighting of the operation's result, summed in double, so that every element's gradient is different. */
#ifndef TESTS_TENSOR_GRADIENT_CHECK_H
#define TESTS_TENSOR_GRADIENT_CHECK_H

#include "base/random.h"
#include "base/status.h"
#include "tensor/operations.h"
#include "tensor/parameters.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define CHECK_MAX_LEAVES 8

typedef struct gradient_check {
    parameters leaves;
    tensor *leaf[CHECK_MAX_LEAVES];
    int count;
    float step, tolerance; /* of the difference quotient; error allowed, relative to the gradient's size or 1 */
    tensor *(*function)(tape *t, struct gradient_check *c);
    uint64_t seed;
} gradient_check;

static float check_random(uint64_t seed, uint64_t i)
{
    return 2 * random_unit(random_philox(seed, i, 7).word[0]) - 1;
}

/* Declares the leaves and fills them from [-1, 1). */
static void check_leaves(gradient_check *c, int count, const int *ranks, const int64_t (*shapes)[2])
{
    for (int i = 0; i < count; i++) {
        char name[8];
        snprintf(name, sizeof name, "%d", i);
        parameters_declare(&c->leaves, name, ranks[i], shapes[i]);
    }
    assert_int_equal(parameters_allocate(&c->leaves, true), ATTN_OK);
    for (int64_t i = 0; i < c->leaves.total; i++) c->leaves.values[i] = check_random(c->seed, (uint64_t)i);
    c->count = count;
    for (int i = 0; i < count; i++) c->leaf[i] = &c->leaves.items[i].tensor;
    if (c->step == 0) c->step = 1e-2f;
    if (c->tolerance == 0) c->tolerance = 2e-3f;
}

typedef struct check_weighting {
    tensor *y, *total;
    const float *weights;
} check_weighting;

static void check_weighting_backward(tape *t, void *operation)
{
    check_weighting *w = operation;
    if (w->total->grad) tape_add_gradient(t, w->weights, w->y);
}

/* The weighted sum of the function's result, as an operation on the tape. */
static double check_evaluate(gradient_check *c, tape *t, tensor **out)
{
    tape_begin(t, c->seed);
    tensor *y = c->function(t, c);
    if (tape_status(t) != ATTN_OK) fail_msg("%s", status_message());
    const int64_t n = tensor_count(y);
    float *weights = tape_take(t, n, sizeof(float));
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        weights[i] = check_random(c->seed + 1, (uint64_t)i);
        sum += (double)weights[i] * y->value[i];
    }
    *out = tape_result(t, 0, NULL);
    check_weighting *w = tape_record(t, sizeof *w, check_weighting_backward);
    if (w) *w = (check_weighting){y, *out, weights};
    return sum;
}

/* Every leaf's every gradient; destroys the leaves. */
static void check_gradients(gradient_check *c)
{
    tape *t;
    tensor *loss;
    assert_int_equal(tape_create(&t, TAPE_TRAIN, 2), ATTN_OK);
    check_evaluate(c, t, &loss);
    assert_int_equal(tape_backward(t, loss), ATTN_OK);
    for (int l = 0; l < c->count; l++) {
        for (int64_t i = 0; i < tensor_count(c->leaf[l]); i++) {
            float *x = &c->leaf[l]->value[i];
            const float kept = *x, above = kept + c->step, below = kept - c->step;
            *x = above;
            double rise = check_evaluate(c, t, &loss);
            *x = below;
            rise -= check_evaluate(c, t, &loss);
            *x = kept;
            const double want = rise / ((double)above - below), got = c->leaf[l]->grad[i];
            if (fabs(got - want) <= c->tolerance * fmax(1, fabs(want))) continue;
            fail_msg("leaf %d element %d: gradient %g, difference quotient %g", l, (int)i, got, want);
        }
    }
    tape_destroy(t);
    parameters_destroy(&c->leaves);
}

#endif
