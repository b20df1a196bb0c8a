#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gradient_check.h"

/* Sizes are no multiples of a vector, so that every tail is run; some exceed one task's rows. */

static const int32_t ids[] = {2, 0, 2, 4, 1, 2, 0};

static tensor *embedding(tape *t, gradient_check *c)
{
    return tape_embed(t, c->leaf[0], ids, 7, 1.5f);
}

static void embed(void **state)
{
    (void)state;
    gradient_check c = {.function = embedding, .seed = 1};
    check_leaves(&c, 1, (int[]){2}, (const int64_t[][2]){{5, 70}});
    check_gradients(&c);
}

static const float positions[2 * 9] = {1, 2, 3, 4, 5, 6, 7, 8, 9, -1, -2, -3, -4, -5, -6, -7, -8, -9};

static tensor *rows_added(tape *t, gradient_check *c)
{
    tensor *y = tape_add_rows(t, c->leaf[0], positions, 2);
    assert_true(y->value[9] == c->leaf[0]->value[9] - 1 && y->value[18] == c->leaf[0]->value[18] + 1);
    return tape_add(t, y, c->leaf[0]); /* used twice */
}

static void add_rows(void **state)
{
    (void)state;
    gradient_check c = {.function = rows_added, .seed = 2};
    check_leaves(&c, 1, (int[]){2}, (const int64_t[][2]){{4, 9}});
    check_gradients(&c);
}

static tensor *added(tape *t, gradient_check *c)
{
    tensor *z = tape_add(t, c->leaf[0], c->leaf[1]);
    return tape_add(t, tape_add(t, z, z), z);
}

static void add(void **state)
{
    (void)state;
    gradient_check c = {.function = added, .seed = 3};
    check_leaves(&c, 2, (int[]){2, 2}, (const int64_t[][2]){{67, 3}, {67, 3}});
    check_gradients(&c);
}

static activation chosen;

static tensor *linear_layers(tape *t, gradient_check *c)
{
    tensor *h = tape_linear(t, c->leaf[0], c->leaf[1], c->leaf[2], chosen);
    return tape_linear(t, h, c->leaf[3], NULL, ACTIVATION_NONE);
}

static void linear(void **state)
{
    (void)state;
    const activation all[] = {ACTIVATION_NONE, ACTIVATION_RELU, ACTIVATION_GELU, ACTIVATION_SWISH, ACTIVATION_TANH};
    for (int i = 0; i < 5; i++) {
        chosen = all[i];
        /* A step across ReLU's kink would be no derivative: a short one, which rounding makes rough. */
        gradient_check c = {.function = linear_layers, .seed = 4, .step = 1e-3f, .tolerance = 5e-3f};
        check_leaves(&c, 4, (int[]){2, 2, 1, 2}, (const int64_t[][2]){{5, 13}, {11, 13}, {11}, {3, 11}});
        check_gradients(&c);
    }
}

static tensor *normed(tape *t, gradient_check *c)
{
    tensor *residual = c->count > 3 ? c->leaf[3] : NULL;
    return tape_layer_norm(t, c->leaf[0], residual, c->leaf[1], c->leaf[2], 1e-5f);
}

static void layer_norm(void **state)
{
    (void)state;
    for (int count = 3; count <= 4; count++) {
        gradient_check c = {.function = normed, .seed = 5};
        check_leaves(&c, count, (int[]){2, 1, 1, 2}, (const int64_t[][2]){{35, 37}, {37}, {37}, {35, 37}});
        check_gradients(&c);
    }
}

static tensor *dropped(tape *t, gradient_check *c)
{
    tensor *once = tape_dropout(t, c->leaf[0], 0.3f);
    return tape_add(t, once, tape_dropout(t, once, 0.5f));
}

static void dropout(void **state)
{
    (void)state;
    gradient_check c = {.function = dropped, .seed = 6};
    check_leaves(&c, 1, (int[]){2}, (const int64_t[][2]){{3, 111}});
    check_gradients(&c);
}

static const int64_t taken[] = {4, 0, 2};

static tensor *rows_taken(tape *t, gradient_check *c)
{
    return tape_take_rows(t, c->leaf[0], taken, 3);
}

static void take_rows(void **state)
{
    (void)state;
    gradient_check c = {.function = rows_taken, .seed = 7};
    check_leaves(&c, 1, (int[]){2}, (const int64_t[][2]){{5, 19}});
    check_gradients(&c);
}

static tensor *prepended(tape *t, gradient_check *c)
{
    static tensor *first[2];
    first[0] = c->leaf[1];
    first[1] = c->leaf[2];
    tensor *y = tape_prepend(t, first, 2, c->leaf[0], 3, c->leaf[3]);
    assert_int_equal(y->shape[0], 3 * 6);
    assert_true(y->value[7 * 19] == c->leaf[2]->value[0] + c->leaf[3]->value[19]);
    assert_true(y->value[8 * 19 + 4] == c->leaf[0]->value[4 * 19 + 4] + c->leaf[3]->value[2 * 19 + 4]);
    return tape_add(t, y, tape_prepend(t, first, 2, c->leaf[0], 3, c->leaf[3])); /* each used twice */
}

static void prepend(void **state)
{
    (void)state;
    gradient_check c = {.function = prepended, .seed = 9};
    check_leaves(&c, 4, (int[]){2, 1, 1, 2}, (const int64_t[][2]){{12, 19}, {19}, {19}, {6, 19}});
    check_gradients(&c);
}

static const int32_t targets[] = {3, -1, 0, 36, 7, 7, 12, -1, 9, 1};

static tensor *entropy(tape *t, gradient_check *c)
{
    /* Through a sum, so that the logits are a result, whose memory the gradient takes over; and as a leaf, which keeps
     * its values. */
    tensor *loss = tape_cross_entropy(t, tape_add(t, c->leaf[0], c->leaf[1]), targets, 0.1f, NULL, NULL);
    return tape_add(t, loss, tape_cross_entropy(t, c->leaf[0], targets, 0.0f, NULL, NULL));
}

static void cross_entropy(void **state)
{
    (void)state;
    gradient_check c = {.function = entropy, .seed = 8};
    check_leaves(&c, 2, (int[]){2, 2}, (const int64_t[][2]){{10, 37}, {10, 37}});
    check_gradients(&c);
}

/* A bias whose gradient is the sum of the logits' columns: over more rows than one task has, and where the logits get a
 * gradient from elsewhere too. */
static tensor *entropy_of_linear(tape *t, gradient_check *c)
{
    static int32_t many[70];
    for (int i = 0; i < 70; i++) many[i] = i % 9 == 4 ? -1 : i % 37;
    tensor *alone = tape_linear(t, c->leaf[0], c->leaf[1], c->leaf[2], ACTIVATION_NONE);
    tensor *both = tape_linear(t, c->leaf[0], c->leaf[1], c->leaf[3], ACTIVATION_NONE);
    tensor *sum = tape_add(t, both, alone);
    tensor *loss = tape_cross_entropy(t, alone, many, 0.1f, NULL, NULL);
    loss = tape_add(t, loss, tape_cross_entropy(t, sum, many, 0, NULL, NULL));
    return tape_add(t, loss, tape_cross_entropy(t, both, many, 0.1f, NULL, NULL));
}

static void cross_entropy_of_linear(void **state)
{
    (void)state;
    gradient_check c = {.function = entropy_of_linear, .seed = 18};
    check_leaves(&c, 4, (int[]){2, 2, 1, 1}, (const int64_t[][2]){{70, 5}, {37, 5}, {37}, {37}});
    check_gradients(&c);
}

static const int64_t key_lengths[] = {7, 4, 0};

/* Sequences of one tensor to itself, causal, with dropout, and to another, padded; 3 sequences, 2 heads. */
static tensor *attentions(tape *t, gradient_check *c)
{
    const attention_mask causal = {.causal = true}, padded = {.key_lengths = key_lengths};
    tensor *y = tape_attention(t, c->leaf[0], c->leaf[0], c->leaf[0], 3, 2, causal, 0.2f, NULL);
    return tape_attention(t, y, c->leaf[1], c->leaf[2], 3, 2, padded, 0, NULL);
}

static void attention(void **state)
{
    (void)state;
    gradient_check c = {.function = attentions, .seed = 9};
    check_leaves(&c, 3, (int[]){2, 2, 2}, (const int64_t[][2]){{15, 10}, {21, 10}, {21, 6}});
    check_gradients(&c);
}

/* Four heads of queries, normalized head by head, to two of keys and values, scores capped; 3 sequences. */
static tensor *grouped_attentions(tape *t, gradient_check *c)
{
    const attention_mask causal = {.causal = true}, padded = {.key_lengths = key_lengths};
    tensor *q = tape_layer_norm(t, c->leaf[0], NULL, c->leaf[3], c->leaf[4], 1e-5f);
    tensor *y = tape_capped_attention(t, q, c->leaf[1], c->leaf[2], 3, 4, 1.5f, padded, 0, NULL);
    assert_int_equal(y->shape[1], 4 * 3);
    return tape_capped_attention(t, y, y, y, 3, 2, 0.5f, causal, 0.2f, NULL);
}

static void grouped_attention(void **state)
{
    (void)state;
    gradient_check c = {.function = grouped_attentions, .seed = 11};
    check_leaves(&c, 5, (int[]){2, 2, 2, 1, 1}, (const int64_t[][2]){{15, 20}, {21, 10}, {21, 6}, {5}, {5}});
    check_gradients(&c);
}

/* One sequence's queries to its keys, then a single query each to as many heads, as in a recurrent decoder. */
static tensor *additive_attentions(tape *t, gradient_check *c)
{
    const attention_mask causal = {.causal = true}, padded = {.key_lengths = key_lengths};
    tensor *y = tape_additive_attention(t, c->leaf[0], c->leaf[0], c->leaf[0], c->leaf[3], 3, 2, causal, 0.2f, NULL);
    y = tape_additive_attention(t, y, c->leaf[1], c->leaf[1], c->leaf[3], 3, 2, padded, 0, NULL);
    y = tape_unscaled_attention(t, y, c->leaf[1], c->leaf[1], 3, 1, padded, 0, NULL);
    return tape_additive_attention(t, y, c->leaf[1], c->leaf[2], c->leaf[4], 3, 1, padded, 0, NULL);
}

static void additive_attention(void **state)
{
    (void)state;
    gradient_check c = {.function = additive_attentions, .seed = 10};
    check_leaves(&c, 5, (int[]){2, 2, 2, 2, 1}, (const int64_t[][2]){{3, 10}, {21, 10}, {21, 6}, {2, 5}, {10}});
    check_gradients(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(embed),
        cmocka_unit_test(add_rows),
        cmocka_unit_test(add),
        cmocka_unit_test(linear),
        cmocka_unit_test(layer_norm),
        cmocka_unit_test(dropout),
        cmocka_unit_test(cross_entropy_of_linear),
        cmocka_unit_test(take_rows),
        cmocka_unit_test(cross_entropy),
        cmocka_unit_test(prepend),
        cmocka_unit_test(attention),
        cmocka_unit_test(additive_attention),
        cmocka_unit_test(grouped_attention),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
