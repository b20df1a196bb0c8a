#include "base/parallel.h"
#include "base/status.h"
#include "hidden/gate_kernels.h"
#include "hidden/recurrent.h"
#include "tensor/row_kernels.h"

#include <string.h>

/* One layer's recurrence over the gates' inputs. Rows of all steps lie sequence by sequence, (B*T, ...); what is called
 * a step's has B rows. */
typedef struct recurrence {
    recurrent_cell cell;
    int64_t B, T, H, gates;
    const int64_t *lengths;
    bool backward;
    tensor *g, *u, *b; /* (B*T, gates*H), first W x + b, then the gates' values; (gates*H, H); (gates*H) */
    tensor *h0, *c0;   /* (B, H) or NULL */
    tensor *y;         /* (B*T, H) */
    tensor *h_last, *c_last;
    float *inner; /* (B*T, H): an LSTM's c, a GRU's recurrent part of n */
    float *zeros; /* (H), before the first step where nothing is given */
    dense_packed *packed;
    tape *t;
    int64_t step;
    float *state, *product; /* the step's h (B, H), U h + b (B, gates*H) */
    float *d_h, *d_c;       /* (B, H) */
    float *d_product;       /* (B, gates*H) of the step */
    float *d_products;      /* (B*T, gates*H) of all, where they are not those of g */
} recurrence;

#define ROWS_PER_TASK 8

int64_t recurrent_gates(recurrent_cell cell)
{
    static const int64_t gates[] = {[RECURRENT_RNN] = 1, [RECURRENT_LSTM] = 4, [RECURRENT_GRU] = 3};
    return gates[cell];
}

static int64_t length_of(const recurrence *r, int64_t b)
{
    return r->lengths ? r->lengths[b] : r->T;
}

/* The row that sequence b's step s is; -1 before its first. */
static int64_t row_of(const recurrence *r, int64_t b, int64_t s)
{
    if (s < 0) return -1;
    return b * r->T + (r->backward ? length_of(r, b) - 1 - s : s);
}

/* Row `row` of an array of all steps, or what came before the first. */
static const float *before(const recurrence *r, const float *all, const tensor *first, int64_t row, int64_t b)
{
    if (row >= 0) return all + row * r->H;
    return first ? first->value + b * r->H : r->zeros;
}

static void for_rows(recurrence *r, parallel_task task)
{
    parallel_for(tape_threads(r->t), (r->B + ROWS_PER_TASK - 1) / ROWS_PER_TASK, task, r);
}

/* ---- forward ---------------------------------------------------------------------------------------------------- */

static void step_row(recurrence *r, int64_t b)
{
    const int64_t H = r->H, wide = r->gates * H, row = row_of(r, b, r->step), earlier = row_of(r, b, r->step - 1);
    const float *product = r->product + b * wide;
    float *gates = r->g->value + row * wide, *h = r->y->value + row * H;
    const gate_kernels *k = gate_kernels_get();
    if (r->cell == RECURRENT_RNN)
        k->rnn(H, product, gates, h);
    else if (r->cell == RECURRENT_LSTM)
        k->lstm(H, product, before(r, r->inner, r->c0, earlier, b), gates, r->inner + row * H, h);
    else
        k->gru(H, product, before(r, r->y->value, r->h0, earlier, b), gates, r->inner + row * H, h);
    memcpy(r->state + b * H, h, (size_t)H * sizeof(float));
}

static void step_rows(void *argument, int64_t task, int worker)
{
    (void)worker;
    recurrence *r = argument;
    for (int64_t b = task * ROWS_PER_TASK; b < r->B && b < (task + 1) * ROWS_PER_TASK; b++)
        if (r->step < length_of(r, b)) step_row(r, b);
}

/* U h + b; of nothing before the first step, the bias alone. */
static attn_status multiply_step(recurrence *r)
{
    const int64_t wide = r->gates * r->H;
    const float *bias = r->b->value;
    if (r->step == 0 && !r->h0) {
        for (int64_t b = 0; b < r->B; b++) memcpy(r->product + b * wide, bias, (size_t)wide * sizeof(float));
        return ATTN_OK;
    }
    const dense_packed *packed = r->packed ? r->packed : tape_products(r->t) == DENSE_FP32 ? r->u->packed : NULL;
    if (packed) return dense_multiply_packed(tape_threads(r->t), r->B, r->state, packed, bias, false, r->product);
    return dense_multiply(tape_products(r->t), tape_threads(r->t), r->B, wide, r->H, r->state, false, r->u->value, true,
                          bias, false, r->product);
}

/* Steps that share a packed copy of the weights are worth its making. */
#define STEPS_WORTH_PACKING 3

static attn_status pack_for(recurrence *r, bool transposed)
{
    const int64_t wide = r->gates * r->H;
    if (r->T < STEPS_WORTH_PACKING || (transposed && r->u->packed)) return ATTN_OK;
    return dense_pack(&r->packed, tape_products(r->t), transposed ? wide : r->H, transposed ? r->H : wide, r->u->value,
                      transposed);
}

static void unpack(recurrence *r)
{
    dense_packed_destroy(r->packed);
    r->packed = NULL;
}

/* Each sequence's own last state, and zeros behind its end. */
static void finish_rows(recurrence *r)
{
    const size_t bytes = (size_t)r->H * sizeof(float);
    for (int64_t b = 0; b < r->B; b++) {
        const int64_t length = length_of(r, b), last = row_of(r, b, length - 1);
        memset(r->y->value + (b * r->T + length) * r->H, 0, (size_t)(r->T - length) * bytes);
        if (r->h_last) memcpy(r->h_last->value + b * r->H, r->state + b * r->H, bytes);
        if (r->c_last) memcpy(r->c_last->value + b * r->H, before(r, r->inner, r->c0, last, b), bytes);
    }
}

static void run_forward(recurrence *r)
{
    const size_t bytes = (size_t)(r->B * r->H) * sizeof(float);
    if (r->h0)
        memcpy(r->state, r->h0->value, bytes);
    else
        memset(r->state, 0, bytes);
    attn_status status = pack_for(r, true);
    for (r->step = 0; r->step < r->T && status == ATTN_OK; r->step++) {
        status = multiply_step(r);
        if (status == ATTN_OK) for_rows(r, step_rows);
    }
    unpack(r);
    tape_fail(r->t, status);
    if (status == ATTN_OK) finish_rows(r);
}

/* ---- backward --------------------------------------------------------------------------------------------------- */

static void step_back_row(recurrence *r, int64_t b)
{
    const int64_t H = r->H, wide = r->gates * H, row = row_of(r, b, r->step), earlier = row_of(r, b, r->step - 1);
    const float *gates = r->g->value + row * wide, *inner = r->inner + row * H;
    float *d_h = r->d_h + b * H, *d_gates = r->g->grad + row * wide;
    float *d_product = r->d_products ? r->d_products + row * wide : d_gates;
    const gate_kernels *k = gate_kernels_get();
    if (r->y->grad) row_kernels_get()->add(H, r->y->grad + row * H, d_h);
    if (r->cell == RECURRENT_RNN)
        k->rnn_back(H, gates, d_h, d_gates);
    else if (r->cell == RECURRENT_LSTM)
        k->lstm_back(H, gates, before(r, r->inner, r->c0, earlier, b), inner, d_h, r->d_c + b * H, d_gates);
    else
        k->gru_back(H, gates, inner, before(r, r->y->value, r->h0, earlier, b), d_h, d_gates, d_product);
    memcpy(r->d_product + b * wide, d_product, (size_t)wide * sizeof(float));
}

/* A sequence that has ended keeps the gradient of its last state until its last step comes. */
static void step_back_rows(void *argument, int64_t task, int worker)
{
    (void)worker;
    recurrence *r = argument;
    const int64_t wide = r->gates * r->H;
    for (int64_t b = task * ROWS_PER_TASK; b < r->B && b < (task + 1) * ROWS_PER_TASK; b++) {
        if (r->step < length_of(r, b))
            step_back_row(r, b);
        else
            memset(r->d_product + b * wide, 0, (size_t)wide * sizeof(float));
    }
}

/* d_h += d_product U */
static attn_status multiply_back(recurrence *r)
{
    if (r->step == 0 && !r->h0) return ATTN_OK;
    if (r->packed) return dense_multiply_packed(tape_threads(r->t), r->B, r->d_product, r->packed, NULL, true, r->d_h);
    return dense_multiply(tape_products(r->t), tape_threads(r->t), r->B, r->H, r->gates * r->H, r->d_product, false,
                          r->u->value, false, NULL, true, r->d_h);
}

/* The states that the steps' products were of, (B*T, H); zeros behind a sequence's end. */
static float *states_before(recurrence *r)
{
    const size_t bytes = (size_t)r->H * sizeof(float);
    float *states = tape_take(r->t, r->B * r->T * r->H, sizeof(float));
    for (int64_t b = 0; states && b < r->B; b++) {
        const int64_t length = length_of(r, b);
        for (int64_t s = 0; s < length; s++)
            memcpy(states + row_of(r, b, s) * r->H, before(r, r->y->value, r->h0, row_of(r, b, s - 1), b), bytes);
        memset(states + (b * r->T + length) * r->H, 0, (size_t)(r->T - length) * bytes);
    }
    return states;
}

static void add_weight_gradients(recurrence *r)
{
    const int64_t wide = r->gates * r->H, rows = r->B * r->T;
    const float *d = r->d_products ? r->d_products : r->g->grad;
    bool add;
    float *bias = tape_gradient(r->t, r->b, &add);
    if (bias && !add) memset(bias, 0, (size_t)wide * sizeof(float));
    if (bias) row_kernels_get()->column_sums(rows, wide, wide, d, bias);
    float *weight = tape_gradient(r->t, r->u, &add);
    const float *states = weight ? states_before(r) : NULL;
    if (states)
        tape_fail(r->t, dense_multiply(tape_products(r->t), tape_threads(r->t), wide, r->H, rows, d, true, states,
                                       false, NULL, add, weight));
}

static void clear_padding(const recurrence *r, float *d)
{
    const int64_t wide = r->gates * r->H;
    for (int64_t b = 0; b < r->B; b++) {
        const int64_t length = length_of(r, b);
        memset(d + (b * r->T + length) * wide, 0, (size_t)((r->T - length) * wide) * sizeof(float));
    }
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

static void recurrence_backward(tape *t, void *operation)
{
    recurrence *r = operation;
    const bool used = r->y->grad || (r->h_last && r->h_last->grad) || (r->c_last && r->c_last->grad);
    if (!used || !take_back_memory(r)) return;
    clear_padding(r, r->g->grad);
    if (r->d_products) clear_padding(r, r->d_products);
    begin_carry(r->d_h, r->h_last, r->B * r->H);
    begin_carry(r->d_c, r->c_last, r->B * r->H);
    attn_status status = pack_for(r, false);
    for (r->step = r->T - 1; r->step >= 0 && status == ATTN_OK; r->step--) {
        for_rows(r, step_back_rows);
        status = multiply_back(r);
    }
    unpack(r);
    tape_fail(t, status);
    if (status != ATTN_OK) return;
    if (r->h0) tape_add_gradient(t, r->d_h, r->h0);
    if (r->c0) tape_add_gradient(t, r->d_c, r->c0);
    add_weight_gradients(r);
}

/* ---- the layer -------------------------------------------------------------------------------------------------- */

static bool state_fits(const tensor *s, int64_t B, int64_t H)
{
    return !s || (s->rank == 2 && s->shape[0] == B && s->shape[1] == H);
}

static bool shapes_agree(const recurrence *r, const recurrent_parameters *p, const tensor *x)
{
    const int64_t wide = r->gates * r->H;
    if (r->B < 1 || r->H < 1 || x->rank != 2 || x->shape[0] % r->B != 0 || p->recurrent_weight->rank != 2) return false;
    if (r->u->shape[0] != wide || p->input_weight->shape[0] != wide || tensor_count(r->b) != wide) return false;
    for (int64_t b = 0; r->lengths && b < r->B; b++)
        if (r->lengths[b] < 0 || r->lengths[b] > r->T) return false;
    return state_fits(r->h0, r->B, r->H) && state_fits(r->c0, r->B, r->H);
}

static bool take_memory(recurrence *r, bool wants_last)
{
    const int64_t rows = r->B * r->T, state[] = {r->B, r->H};
    r->y = tape_result(r->t, 2, (int64_t[]){rows, r->H});
    r->inner = tape_take(r->t, r->cell == RECURRENT_RNN ? 0 : rows * r->H, sizeof(float));
    r->zeros = tape_take(r->t, r->H, sizeof(float));
    r->state = tape_take(r->t, r->B * r->H, sizeof(float));
    r->product = tape_take(r->t, r->B * r->gates * r->H, sizeof(float));
    if (wants_last) r->h_last = tape_result(r->t, 2, state);
    if (wants_last && r->cell == RECURRENT_LSTM) r->c_last = tape_result(r->t, 2, state);
    if (tape_status(r->t) != ATTN_OK) return false;
    memset(r->zeros, 0, (size_t)r->H * sizeof(float));
    return true;
}

static tensor *nothing(tape *t, recurrent_state *last)
{
    if (last) *last = (recurrent_state){tape_nothing(t), tape_nothing(t)};
    return tape_nothing(t);
}

tensor *recurrent_layer(tape *t, recurrent_cell cell, const recurrent_parameters *p, tensor *x, int64_t batch,
                        const int64_t *lengths, bool backward, const recurrent_state *initial, recurrent_state *last)
{
    if (tape_status(t) != ATTN_OK) return nothing(t, last);
    recurrence r = {.cell = cell, .B = batch, .H = p->recurrent_weight->shape[1], .gates = recurrent_gates(cell)};
    r.T = batch > 0 && x->rank == 2 ? x->shape[0] / batch : 0;
    r.t = t;
    r.lengths = lengths;
    r.backward = backward;
    r.u = p->recurrent_weight;
    r.b = p->recurrent_bias;
    r.h0 = initial ? initial->h : NULL;
    r.c0 = initial && cell == RECURRENT_LSTM ? initial->c : NULL;
    if (!shapes_agree(&r, p, x)) {
        tape_fail(t, status_fail(ATTN_ERROR_ARGUMENT, "a recurrent layer of %lld units on (%lld, %lld), %lld sequences",
                                 (long long)r.H, (long long)x->shape[0], (long long)x->shape[1], (long long)batch));
        return nothing(t, last);
    }
    r.g = tape_linear(t, x, p->input_weight, p->input_bias, ACTIVATION_NONE);
    if (!take_memory(&r, last != NULL)) return nothing(t, last);
    run_forward(&r);
    recurrence *kept = tape_record(t, sizeof r, recurrence_backward);
    if (kept) *kept = r;
    if (tape_status(t) != ATTN_OK) return nothing(t, last);
    if (last) *last = (recurrent_state){r.h_last, r.c_last};
    return r.y;
}
