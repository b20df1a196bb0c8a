#include "base/status.h"
#include "hidden/gate_kernels.h"
#include "hidden/recurrence.h"
#include "tensor/row_kernels.h"

#include <string.h>

static void step_back_row(recurrence *r, int64_t b)
{
    const int64_t H = r->H, wide = r->gates * H, row = recurrence_row(r, b, r->step),
                  earlier = recurrence_row(r, b, r->step - 1);
    const float *gates = r->g->value + row * wide, *inner = r->inner + row * H;
    float *d_h = r->d_h + b * H, *d_gates = r->g->grad + row * wide;
    float *d_product = r->d_products ? r->d_products + row * wide : d_gates;
    const gate_kernels *k = gate_kernels_get();
    if (r->y->grad) row_kernels_get()->add(H, r->y->grad + row * H, d_h);
    if (r->cell == RECURRENT_RNN)
        k->rnn_back(H, gates, d_h, d_gates);
    else if (r->cell == RECURRENT_LSTM)
        k->lstm_back(H, gates, recurrence_before(r, r->inner, r->c0, earlier, b), inner, d_h, r->d_c + b * H, d_gates);
    else
        k->gru_back(H, gates, inner, recurrence_before(r, r->y->value, r->h0, earlier, b), d_h, d_gates, d_product);
    memcpy(r->d_product + b * wide, d_product, (size_t)wide * sizeof(float));
}

/* A sequence that has ended keeps the gradient of its last state until its last step comes. */
static void step_back(recurrence *r, int64_t b)
{
    const int64_t wide = r->gates * r->H;
    if (r->step < recurrence_length(r, b))
        step_back_row(r, b);
    else
        memset(r->d_product + b * wide, 0, (size_t)wide * sizeof(float));
}

/* d_h += d_product U */
static attn_status multiply_back(recurrence *r)
{
    if (r->step == 0 && !r->h0) return ATTN_OK;
    const dense_packed *packed = r->packed ? r->packed : tape_packed(r->t, r->u, false);
    if (packed) return dense_multiply_packed(tape_threads(r->t), r->B, r->d_product, packed, NULL, true, r->d_h);
    return dense_multiply(tape_products(r->t), tape_threads(r->t), r->B, r->H, r->gates * r->H, r->d_product, false,
                          r->u->value, false, NULL, true, r->d_h);
}

/* The states that the sequence's steps' products were of; zeros behind its end. */
static void copy_states_before(recurrence *r, int64_t b)
{
    const size_t bytes = (size_t)r->H * sizeof(float);
    const int64_t length = recurrence_length(r, b);
    for (int64_t s = 0; s < length; s++)
        memcpy(r->states + recurrence_row(r, b, s) * r->H,
               recurrence_before(r, r->y->value, r->h0, recurrence_row(r, b, s - 1), b), bytes);
    memset(r->states + (b * r->T + length) * r->H, 0, (size_t)(r->T - length) * bytes);
}

/* The gates' gradients, and those of the products where they differ. */
static const float *product_gradients(const recurrence *r)
{
    return r->d_products ? r->d_products : r->g->grad;
}

#define COLUMNS_PER_TASK 64

static void sum_columns(void *argument, int64_t task, int worker)
{
    (void)worker;
    const recurrence *r = argument;
    const int64_t wide = r->gates * r->H, from = task * COLUMNS_PER_TASK;
    const int64_t columns = wide - from < COLUMNS_PER_TASK ? wide - from : COLUMNS_PER_TASK;
    row_kernels_get()->column_sums(r->B * r->T, columns, wide, product_gradients(r) + from, r->b->grad + from);
}

static void add_bias_gradients(recurrence *r)
{
    const int64_t wide = r->gates * r->H;
    bool add;
    float *bias = tape_gradient(r->t, r->b, &add);
    if (!bias) return;
    if (!add) memset(bias, 0, (size_t)wide * sizeof(float));
    parallel_for(tape_threads(r->t), (wide + COLUMNS_PER_TASK - 1) / COLUMNS_PER_TASK, sum_columns, r);
    /* The input's bias has the same gradient where the gates' is that of both their parts. */
    if (!add && !r->d_products) r->g->grad_sums = bias;
}

static void add_weight_gradients(recurrence *r)
{
    const int64_t rows = r->B * r->T;
    bool add;
    float *weight = tape_gradient(r->t, r->u, &add);
    r->states = weight ? tape_take(r->t, rows * r->H, sizeof(float)) : NULL;
    if (!r->states) return;
    recurrence_for_sequences(r, copy_states_before);
    tape_fail(r->t, dense_multiply(tape_products(r->t), tape_threads(r->t), r->gates * r->H, r->H, rows,
                                   product_gradients(r), true, r->states, false, NULL, add, weight));
}

static void clear_padding(recurrence *r, int64_t b)
{
    const int64_t wide = r->gates * r->H, length = recurrence_length(r, b), from = (b * r->T + length) * wide;
    const size_t bytes = (size_t)((r->T - length) * wide) * sizeof(float);
    memset(r->g->grad + from, 0, bytes);
    if (r->d_products) memset(r->d_products + from, 0, bytes);
}

static void begin_carry(float *carry, const tensor *last, int64_t count)
{
    if (last && last->grad)
        memcpy(carry, last->grad, (size_t)count * sizeof(float));
    else
        memset(carry, 0, (size_t)count * sizeof(float));
}

static bool take_back_memory(recurrence *r)
{
    const int64_t wide = r->gates * r->H;
    bool add;
    r->d_h = tape_take(r->t, r->B * r->H, sizeof(float));
    r->d_c = tape_take(r->t, r->B * r->H, sizeof(float));
    r->d_product = tape_take(r->t, r->B * wide, sizeof(float));
    /* A GRU's reset gate stands between the product and the gate, so that their gradients differ. */
    if (r->cell == RECURRENT_GRU) r->d_products = tape_take(r->t, r->B * r->T * wide, sizeof(float));
    tape_gradient(r->t, r->g, &add); /* the first and only one: g is this layer's own */
    return tape_status(r->t) == ATTN_OK;
}

void recurrence_backward(tape *t, void *operation)
{
    recurrence *r = operation;
    const bool used = r->y->grad || (r->h_last && r->h_last->grad) || (r->c_last && r->c_last->grad);
    if (!used || !take_back_memory(r)) return;
    recurrence_for_sequences(r, clear_padding);
    begin_carry(r->d_h, r->h_last, r->B * r->H);
    begin_carry(r->d_c, r->c_last, r->B * r->H);
    attn_status status = recurrence_pack(r, false);
    for (r->step = r->T - 1; r->step >= 0 && status == ATTN_OK; r->step--) {
        recurrence_for_sequences(r, step_back);
        status = multiply_back(r);
    }
    recurrence_unpack(r);
    tape_fail(t, status);
    if (status != ATTN_OK) return;
    if (r->h0) tape_add_gradient(t, r->d_h, r->h0);
    if (r->c0) tape_add_gradient(t, r->d_c, r->c0);
    add_bias_gradients(r);
    add_weight_gradients(r);
}
