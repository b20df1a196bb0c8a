#include "base/parallel.h"
#include "base/status.h"
#include "tensor/operations.h"
#include "tensor/row_kernels.h"

typedef struct dropout_state {
    tensor *x, *y;
    float p;
    uint64_t key;
    uint32_t *bits; /* which elements were kept: a bit each, since to draw them again takes longer than to read them */
    float *grad;
    bool add;
} dropout_state;

#define RUN ((int64_t)32 * DROPOUT_RUN)

static void forward_run(void *argument, int64_t task, int worker)
{
    (void)worker;
    const dropout_state *d = argument;
    const int64_t at = task * RUN, left = tensor_count(d->x) - at;
    row_kernels_get()->dropout(left < RUN ? left : RUN, d->key, (uint64_t)at / 4, d->p, d->x->value + at,
                               d->y->value + at, d->bits + dropout_words(at));
}

static void backward_run(void *argument, int64_t task, int worker)
{
    (void)worker;
    const dropout_state *d = argument;
    const int64_t at = task * RUN, left = tensor_count(d->x) - at;
    const row_kernels *k = row_kernels_get();
    (d->add ? k->dropout_back_add : k->dropout_back)(left < RUN ? left : RUN, d->p, d->bits + dropout_words(at),
                                                     d->y->grad + at, d->grad + at);
}

static void dropout_backward(tape *t, void *operation)
{
    dropout_state *d = operation;
    if (!d->y->grad || !(d->grad = tape_gradient(t, d->x, &d->add))) return;
    parallel_for(tape_threads(t), (tensor_count(d->x) + RUN - 1) / RUN, backward_run, d);
}

tensor *tape_dropout(tape *t, tensor *x, float p)
{
    if (tape_status(t) != ATTN_OK) return tape_nothing(t);
    if (!(p >= 0 && p < 1)) {
        tape_fail(t,
                  status_fail(ATTN_ERROR_ARGUMENT, "a dropout of %g, expected 0 or more and less than 1", (double)p));
        return tape_nothing(t);
    }
    if (p == 0 || tape_get_mode(t) == TAPE_INFER) return x;
    tensor *y = tape_result(t, x->rank, x->shape);
    uint32_t *bits = tape_take(t, dropout_words(tensor_count(x)), sizeof *bits);
    if (!y || !bits) return tape_nothing(t);
    dropout_state d = {.x = x, .y = y, .p = p, .key = tape_key(t), .bits = bits};
    parallel_for(tape_threads(t), (tensor_count(x) + RUN - 1) / RUN, forward_run, &d);
    dropout_state *kept = tape_record(t, sizeof d, dropout_backward);
    if (kept) *kept = d;
    return y;
}
