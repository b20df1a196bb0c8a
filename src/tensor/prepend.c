#include "base/parallel.h"
#include "base/status.h"
#include "tensor/operations.h"
#include "tensor/row_kernels.h"

#include <string.h>

typedef struct prepend_state {
    tensor *const *first;      /* count of (D) */
    tensor *x, *positions, *y; /* (B*P, D), (N, D), (B*N, D), N = count + P */
    int64_t batch, count, N, D;
    float *x_grad, *positions_grad, *first_grad[PREPEND_MOST];
    bool add;
} prepend_state;

static void forward_sequence(void *argument, int64_t b, int worker)
{
    (void)worker;
    const prepend_state *s = argument;
    const int64_t P = s->N - s->count, D = s->D;
    float *y = s->y->value + b * s->N * D;
    for (int64_t i = 0; i < s->count; i++)
        row_kernels_get()->sum(D, s->first[i]->value, s->positions->value + i * D, y + i * D);
    row_kernels_get()->sum(P * D, s->x->value + b * P * D, s->positions->value + s->count * D, y + s->count * D);
}

static void backward_sequence(void *argument, int64_t b, int worker)
{
    (void)worker;
    const prepend_state *s = argument;
    const int64_t size = (s->N - s->count) * s->D;
    const float *grad = s->y->grad + (b * s->N + s->count) * s->D;
    if (s->add)
        row_kernels_get()->add(size, grad, s->x_grad + b * size);
    else
        memcpy(s->x_grad + b * size, grad, (size_t)size * sizeof(float));
}

/* A position's gradient, and its first row's, is the sum over the sequences. */
static void backward_position(void *argument, int64_t n, int worker)
{
    (void)worker;
    const prepend_state *s = argument;
    float *const sums[2] = {s->positions_grad ? s->positions_grad + n * s->D : NULL,
                            n < s->count ? s->first_grad[n] : NULL};
    for (int i = 0; i < 2; i++)
        if (sums[i]) row_kernels_get()->column_sums(s->batch, s->D, s->N * s->D, s->y->grad + n * s->D, sums[i]);
}

/* Zeroed where nothing is in it yet. */
static float *gradient_to_add_to(tape *t, tensor *x)
{
    bool add;
    float *grad = tape_gradient(t, x, &add);
    if (grad && !add) memset(grad, 0, (size_t)tensor_count(x) * sizeof(float));
    return grad;
}

static void prepend_backward(tape *t, void *operation)
{
    prepend_state *s = operation;
    if (!s->y->grad) return;
    s->positions_grad = gradient_to_add_to(t, s->positions);
    for (int64_t i = 0; i < s->count; i++) s->first_grad[i] = gradient_to_add_to(t, s->first[i]);
    parallel_for(tape_threads(t), s->N, backward_position, s);
    s->x_grad = tape_gradient(t, s->x, &s->add);
    if (s->x_grad) parallel_for(tape_threads(t), s->batch, backward_sequence, s);
}

static bool fits(const prepend_state *s)
{
    if (s->batch < 1 || s->count < 0 || s->count > PREPEND_MOST || s->D < 1) return false;
    for (int64_t i = 0; i < s->count; i++)
        if (tensor_count(s->first[i]) != s->D) return false;
    return s->N >= s->count && tensor_rows(s->x) == s->batch * (s->N - s->count) && s->x->shape[s->x->rank - 1] == s->D;
}

tensor *tape_prepend(tape *t, tensor *const *first, int count, tensor *x, int64_t batch, tensor *positions)
{
    if (tape_status(t) != ATTN_OK) return tape_nothing(t);
    prepend_state s = {.first = first,
                       .x = x,
                       .positions = positions,
                       .batch = batch,
                       .count = count,
                       .N = tensor_rows(positions),
                       .D = positions->rank ? positions->shape[positions->rank - 1] : 0};
    if (!fits(&s)) {
        tape_fail(t, status_fail(ATTN_ERROR_ARGUMENT,
                                 "%d rows before %lld sequences of %lld rows in all, with %lld positions", count,
                                 (long long)batch, (long long)tensor_rows(x), (long long)s.N));
        return tape_nothing(t);
    }
    s.y = tape_result(t, 2, (int64_t[]){batch * s.N, s.D});
    if (!s.y) return tape_nothing(t);
    parallel_for(tape_threads(t), batch, forward_sequence, &s);
    prepend_state *kept = tape_record(t, sizeof s, prepend_backward);
    if (kept) *kept = s;
    return s.y;
}
