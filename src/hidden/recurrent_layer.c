#include "base/status.h"
#include "hidden/gate_kernels.h"
#include "hidden/recurrence.h"

#include <string.h>

#define SEQUENCES_PER_TASK 8

int64_t recurrent_gates(recurrent_cell cell)
{
    static const int64_t gates[] = {[RECURRENT_RNN] = 1, [RECURRENT_LSTM] = 4, [RECURRENT_GRU] = 3};
    return gates[cell];
}

int64_t recurrence_length(const recurrence *r, int64_t b)
{
    return r->lengths ? r->lengths[b] : r->T;
}

int64_t recurrence_row(const recurrence *r, int64_t b, int64_t s)
{
    if (s < 0) return -1;
    return b * r->T + (r->backward ? recurrence_length(r, b) - 1 - s : s);
}

const float *recurrence_before(const recurrence *r, const float *all, const tensor *first, int64_t row, int64_t b)
{
    if (row >= 0) return all + row * r->H;
    return first ? first->value + b * r->H : r->zeros;
}

typedef struct sequence_run {
    recurrence *r;
    void (*body)(recurrence *r, int64_t b);
} sequence_run;

static void run_sequences(void *argument, int64_t task, int worker)
{
    (void)worker;
    const sequence_run *s = argument;
    for (int64_t b = task * SEQUENCES_PER_TASK; b < s->r->B && b < (task + 1) * SEQUENCES_PER_TASK; b++)
        s->body(s->r, b);
}

void recurrence_for_sequences(recurrence *r, void (*body)(recurrence *r, int64_t b))
{
    sequence_run s = {r, body};
    parallel_for(tape_threads(r->t), (r->B + SEQUENCES_PER_TASK - 1) / SEQUENCES_PER_TASK, run_sequences, &s);
}

/* ---- forward ---------------------------------------------------------------------------------------------------- */

static void step_forward(recurrence *r, int64_t b)
{
    if (r->step >= recurrence_length(r, b)) return;
    const int64_t H = r->H, wide = r->gates * H, row = recurrence_row(r, b, r->step),
                  earlier = recurrence_row(r, b, r->step - 1);
    const float *product = r->product + b * wide;
    float *gates = r->g->value + row * wide, *h = r->y->value + row * H;
    const gate_kernels *k = gate_kernels_get();
    if (r->cell == RECURRENT_RNN)
        k->rnn(H, product, gates, h);
    else if (r->cell == RECURRENT_LSTM)
        k->lstm(H, product, recurrence_before(r, r->inner, r->c0, earlier, b), gates, r->inner + row * H, h);
    else
        k->gru(H, product, recurrence_before(r, r->y->value, r->h0, earlier, b), gates, r->inner + row * H, h);
    memcpy(r->state + b * H, h, (size_t)H * sizeof(float));
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
    const dense_packed *packed = r->packed ? r->packed : tape_packed(r->t, r->u, true);
    if (packed) return dense_multiply_packed(tape_threads(r->t), r->B, r->state, packed, bias, false, r->product);
    return dense_multiply(tape_products(r->t), tape_threads(r->t), r->B, wide, r->H, r->state, false, r->u->value, true,
                          bias, false, r->product);
}

/* Steps that share a packed copy of the weights are worth its making. */
#define STEPS_WORTH_PACKING 3

attn_status recurrence_pack(recurrence *r, bool transposed)
{
    const int64_t wide = r->gates * r->H;
    if (r->T < STEPS_WORTH_PACKING || (transposed && r->u->packed)) return ATTN_OK;
    return dense_pack(&r->packed, tape_products(r->t), tape_threads(r->t), transposed ? wide : r->H,
                      transposed ? r->H : wide, r->u->value, transposed);
}

void recurrence_unpack(recurrence *r)
{
    dense_packed_destroy(r->packed);
    r->packed = NULL;
}

/* The sequence's own last state, and zeros behind its end. */
static void finish_sequence(recurrence *r, int64_t b)
{
    const size_t bytes = (size_t)r->H * sizeof(float);
    const int64_t length = recurrence_length(r, b), last = recurrence_row(r, b, length - 1);
    memset(r->y->value + (b * r->T + length) * r->H, 0, (size_t)(r->T - length) * bytes);
    if (r->h_last) memcpy(r->h_last->value + b * r->H, r->state + b * r->H, bytes);
    if (r->c_last) memcpy(r->c_last->value + b * r->H, recurrence_before(r, r->inner, r->c0, last, b), bytes);
}

static void run_forward(recurrence *r)
{
    const size_t bytes = (size_t)(r->B * r->H) * sizeof(float);
    if (r->h0)
        memcpy(r->state, r->h0->value, bytes);
    else
        memset(r->state, 0, bytes);
    attn_status status = recurrence_pack(r, true);
    for (r->step = 0; r->step < r->T && status == ATTN_OK; r->step++) {
        status = multiply_step(r);
        if (status == ATTN_OK) recurrence_for_sequences(r, step_forward);
    }
    recurrence_unpack(r);
    tape_fail(r->t, status);
    if (status == ATTN_OK) recurrence_for_sequences(r, finish_sequence);
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
