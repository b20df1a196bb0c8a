#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../tensor/gradient_check.h"
#include "formats/safetensors.h"
#include "hidden/recurrent.h"

#include <stdlib.h>

/* ---- against PyTorch -------------------------------------------------------------------------------------------- */

#define MOST_SLOTS 4 /* layers * directions */

typedef struct network {
    recurrent_options options;
    int64_t slots, B, T, I, H;
    int64_t lengths[8];
    parameters leaves; /* x, h0 and c0 are differentiated too */
    tensor *x, *h0, *c0;
    recurrent_parameters weights[MOST_SLOTS];
    safetensors *file;
} network;

static const safetensors_tensor *find(const network *n, const char *name)
{
    const safetensors_tensor *t = safetensors_find(n->file, name);
    if (!t) fail_msg("%s is missing", name);
    return t;
}

static float *read_floats(const network *n, const char *name)
{
    const safetensors_tensor *t = find(n, name);
    float *values = malloc((size_t)t->count * sizeof *values);
    assert_int_equal(safetensors_read_floats(n->file, t, values), ATTN_OK);
    return values;
}

static void name_weight(char *name, const char *what, int64_t layer, int direction)
{
    sprintf(name, "%s_l%d%s", what, (int)layer, direction ? "_reverse" : "");
}

static const char *const kinds[] = {"weight_ih", "weight_hh", "bias_ih", "bias_hh"};

static void declare_from_file(network *n, const char *name, bool rows)
{
    const safetensors_tensor *t = find(n, name);
    int64_t shape[] = {t->shape[0], t->rank > 1 ? t->shape[1] : 1};
    if (rows) { /* the leading dimensions as one */
        shape[0] = t->shape[0] * t->shape[1];
        shape[1] = t->shape[2];
    }
    assert_true(parameters_declare(&n->leaves, name, t->rank == 1 ? 1 : 2, shape) >= 0);
}

static void open_network(network *n, const char *name, recurrent_options o)
{
    memset(n, 0, sizeof *n);
    char path[512], weight[64];
    snprintf(path, sizeof path, "%s/%s.safetensors", RECURRENT_FIXTURES, name);
    assert_int_equal(safetensors_open(&n->file, path), ATTN_OK);
    n->options = o;
    const int directions = o.bidirectional ? 2 : 1;
    n->slots = o.layers * directions;
    const safetensors_tensor *x = find(n, "x");
    n->B = x->shape[0];
    n->T = x->shape[1];
    n->H = find(n, "h")->shape[2];
    declare_from_file(n, "x", true);
    declare_from_file(n, "h0", true);
    if (o.cell == RECURRENT_LSTM) declare_from_file(n, "c0", true);
    for (int64_t s = 0; s < n->slots; s++)
        for (int k = 0; k < 4; k++) {
            name_weight(weight, kinds[k], s / directions, s % directions);
            declare_from_file(n, weight, false);
        }
    assert_int_equal(parameters_allocate(&n->leaves, true), ATTN_OK);
    for (int64_t i = 0; i < n->leaves.count; i++)
        assert_int_equal(
            safetensors_read_floats(n->file, find(n, n->leaves.items[i].name), n->leaves.items[i].tensor.value),
            ATTN_OK);
    n->x = parameters_find(&n->leaves, "x");
    n->h0 = parameters_find(&n->leaves, "h0");
    n->c0 = parameters_find(&n->leaves, "c0");
    tensor **slots = (tensor **)n->weights;
    for (int64_t i = 0; i < 4 * n->slots; i++)
        slots[i] = &n->leaves.items[(o.cell == RECURRENT_LSTM ? 3 : 2) + i].tensor;
    float *lengths = read_floats(n, "lengths");
    for (int64_t b = 0; b < n->B; b++) n->lengths[b] = (int64_t)lengths[b];
    free(lengths);
}

static void close_network(network *n)
{
    parameters_destroy(&n->leaves);
    safetensors_close(n->file);
}

static void compare(const network *n, const char *name, const float *got, int64_t from, int64_t count)
{
    float *want = read_floats(n, name);
    for (int64_t i = 0; i < count; i++)
        if (!(fabsf(got[i] - want[from + i]) <= 1e-5f * fmaxf(1, fabsf(want[from + i]))))
            fail_msg("%s[%d] is %.8g, expected %.8g", name, (int)(from + i), (double)got[i], (double)want[from + i]);
    free(want);
}

/* sum(y * y) / 2, with gradient y, and sums of states, with gradient 1. */
typedef struct fixture_loss {
    tensor *y, *loss;
    recurrent_state *last;
    int64_t slots;
    const float *ones;
} fixture_loss;

static void fixture_loss_backward(tape *t, void *operation)
{
    fixture_loss *l = operation;
    if (!l->loss->grad) return;
    tape_add_gradient(t, l->y->value, l->y);
    for (int64_t s = 0; s < l->slots; s++) {
        tape_add_gradient(t, l->ones, l->last[s].h);
        if (l->last[s].c) tape_add_gradient(t, l->ones, l->last[s].c);
    }
}

static tensor *take_loss(tape *t, const network *n, tensor *y, recurrent_state *last)
{
    tensor *loss = tape_result(t, 0, NULL);
    float *ones = tape_take(t, n->B * n->H, sizeof *ones);
    for (int64_t i = 0; i < n->B * n->H; i++) ones[i] = 1;
    fixture_loss *l = tape_record(t, sizeof *l, fixture_loss_backward);
    *l = (fixture_loss){y, loss, last, n->slots, ones};
    return loss;
}

/* The initial states are views of h0's and c0's slots, whose gradients lie where the whole's do. */
static tensor slot_of(const network *n, tensor *whole, int64_t slot)
{
    tensor view = {.rank = 2, .shape = {n->B, n->H}, .value = whole->value + slot * n->B * n->H};
    view.grad = whole->grad + slot * n->B * n->H;
    return view;
}

static void equals_pytorch(const char *name, recurrent_options o, int threads)
{
    network n;
    open_network(&n, name, o);
    tensor h[MOST_SLOTS], c[MOST_SLOTS];
    recurrent_state initial[MOST_SLOTS] = {{NULL, NULL}}, last[MOST_SLOTS];
    for (int64_t s = 0; s < n.slots; s++) {
        h[s] = slot_of(&n, n.h0, s);
        initial[s].h = &h[s];
        if (!n.c0) continue;
        c[s] = slot_of(&n, n.c0, s);
        initial[s].c = &c[s];
    }
    tape *t;
    assert_int_equal(tape_create(&t, TAPE_TRAIN, threads), ATTN_OK);
    tensor *y = recurrent_stack(t, &n.options, n.weights, n.x, n.B, n.lengths, initial, last);
    assert_int_equal(tape_status(t), ATTN_OK);
    compare(&n, "y", y->value, 0, tensor_count(y));
    for (int64_t s = 0; s < n.slots; s++) {
        compare(&n, "h", last[s].h->value, s * n.B * n.H, n.B * n.H);
        if (n.c0) compare(&n, "c", last[s].c->value, s * n.B * n.H, n.B * n.H);
    }
    assert_int_equal(tape_backward(t, take_loss(t, &n, y, last)), ATTN_OK);
    for (int64_t i = 0; i < n.leaves.count; i++) {
        char grad[80];
        snprintf(grad, sizeof grad, "grad.%s", n.leaves.items[i].name);
        compare(&n, grad, n.leaves.items[i].tensor.grad, 0, tensor_count(&n.leaves.items[i].tensor));
    }
    tape_destroy(t);
    close_network(&n);
}

static void rnn_equals_pytorch(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 2; threads++)
        equals_pytorch("rnn", (recurrent_options){RECURRENT_RNN, 1, false, 0}, threads);
}

static void lstm_equals_pytorch(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 2; threads++) {
        equals_pytorch("lstm", (recurrent_options){RECURRENT_LSTM, 1, true, 0}, threads);
        equals_pytorch("lstm_one_way", (recurrent_options){RECURRENT_LSTM, 2, false, 0}, threads);
    }
}

static void gru_equals_pytorch(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 2; threads++)
        equals_pytorch("gru", (recurrent_options){RECURRENT_GRU, 2, true, 0}, threads);
}

/* What stands behind a sequence's end changes nothing, not even a NaN. */
static void padding_changes_no_state(void **state)
{
    (void)state;
    const struct {
        const char *name;
        recurrent_options options;
    } networks[] = {{"lstm", {RECURRENT_LSTM, 1, true, 0}}, {"gru", {RECURRENT_GRU, 2, true, 0}}};
    for (int i = 0; i < 2; i++) {
        network n;
        open_network(&n, networks[i].name, networks[i].options);
        tape *t;
        recurrent_state last[MOST_SLOTS];
        float kept[2][3 * 5 * 2 * 17];
        assert_int_equal(tape_create(&t, TAPE_INFER, 1), ATTN_OK);
        for (int run = 0; run < 2; run++) {
            for (int64_t b = 0; run && b < n.B; b++)
                for (int64_t k = n.lengths[b] * 5; k < n.T * 5; k++) n.x->value[b * n.T * 5 + k] = NAN;
            tape_begin(t, 0);
            tensor *y = recurrent_stack(t, &n.options, n.weights, n.x, n.B, n.lengths, NULL, last);
            assert_int_equal(tape_status(t), ATTN_OK);
            memcpy(kept[run], y->value, sizeof kept[run]);
            for (int64_t b = 0; b < n.B; b++)
                for (int64_t k = n.lengths[b] * 2 * n.H; k < n.T * 2 * n.H; k++)
                    assert_true(y->value[b * n.T * 2 * n.H + k] == 0);
        }
        assert_memory_equal(kept[0], kept[1], sizeof kept[0]);
        tape_destroy(t);
        close_network(&n);
    }
}

/* ---- finite differences ----------------------------------------------------------------------------------------- */

static recurrent_cell cell;
static bool backward;
static const int64_t lengths[] = {4, 1, 3}, taken[] = {0, 4, 6};

static tensor *layers(tape *t, gradient_check *c)
{
    const recurrent_parameters p = {c->leaf[1], c->leaf[2], c->leaf[3], c->leaf[4]};
    const recurrent_state initial = {c->leaf[5], c->leaf[6]};
    recurrent_state last;
    tensor *y = recurrent_layer(t, cell, &p, c->leaf[0], 3, lengths, backward, &initial, &last);
    tensor *one = recurrent_layer(t, cell, &p, c->leaf[0], 12, NULL, backward, NULL, NULL); /* a step each */
    if (tape_status(t) != ATTN_OK) return y;
    tensor *state = cell == RECURRENT_LSTM ? tape_add(t, last.h, last.c) : last.h;
    tensor *side[] = {tape_take_rows(t, tape_add(t, y, one), taken, 3), state};
    return tape_concatenate(t, side, 2);
}

static void gradients(void **state)
{
    (void)state;
    for (cell = RECURRENT_RNN; cell <= RECURRENT_GRU; cell++)
        for (int b = 0; b < 2; b++) {
            backward = b;
            const int64_t wide = recurrent_gates(cell) * 17;
            gradient_check c = {.function = layers, .seed = 20 + (uint64_t)cell, .tolerance = 4e-3f};
            check_leaves(&c, 7, (int[]){2, 2, 2, 1, 1, 2, 2},
                         (const int64_t[][2]){{12, 3}, {wide, 3}, {wide, 17}, {wide}, {wide}, {3, 17}, {3, 17}});
            for (int64_t i = 0; i < tensor_count(c.leaf[2]); i++) c.leaf[2]->value[i] *= 0.3f;
            check_gradients(&c);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rnn_equals_pytorch), cmocka_unit_test(lstm_equals_pytorch),
        cmocka_unit_test(gru_equals_pytorch), cmocka_unit_test(padding_changes_no_state),
        cmocka_unit_test(gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
