#include "tensor/tape.h"

#include "base/checked.h"
#include "base/parallel.h"
#include "base/random.h"
#include "base/status.h"
#include "tensor/factors.h"
#include "tensor/row_kernels.h"
#include "tensor/tape_weights.h"

#include <stdlib.h>
#include <string.h>

/* One recorded operation, in front of its state in the arena; linked from the last to the first, the backward order. */
typedef struct record {
    struct record *before;
    tape_backward_function backward;
    void *state;
} record;

struct tape {
    tape_mode mode;
    int threads;
    dense_type products;
    arena *memory;
    record *last;
    uint64_t key, ordinal;
    attn_status status;
    step_weights_list weights;
    tensor nothing;
};

attn_status tape_create(tape **out, tape_mode mode, int threads)
{
    if (threads < 0) return status_fail(ATTN_ERROR_ARGUMENT, "%d threads, expected at least 0", threads);
    tape *t = calloc(1, sizeof *t);
    arena *memory = t ? arena_create() : NULL;
    if (!memory) {
        free(t);
        return status_fail(ATTN_ERROR_MEMORY, "no memory for a tape");
    }
    t->mode = mode;
    t->threads = threads ? threads : parallel_default_threads();
    t->memory = memory;
    *out = t;
    tape_begin(t, 0);
    return ATTN_OK;
}

void tape_destroy(tape *t)
{
    if (!t) return;
    step_weights_forget(&t->weights);
    arena_destroy(t->memory);
    free(t);
}

attn_status tape_set_products(tape *t, dense_type type)
{
    attn_status s = dense_supports(type);
    if (s == ATTN_OK) t->products = type;
    return s;
}

dense_type tape_products(const tape *t)
{
    return t->products;
}

bool tape_narrows(const tape *t)
{
    return t->mode == TAPE_TRAIN && t->products == DENSE_BF16;
}

void tape_begin(tape *t, uint64_t key)
{
    step_weights_forget(&t->weights);
    arena_reset(t->memory);
    t->last = NULL;
    t->key = key;
    t->ordinal = 0;
    t->status = ATTN_OK;
}

const dense_packed *tape_packed(tape *t, const tensor *w, bool transposed)
{
    const dense_packed *packed = NULL;
    if (transposed && w->packed && t->products == DENSE_FP32) return w->packed;
    if (t->mode != TAPE_TRAIN || t->status != ATTN_OK || tensor_count(w) == 0) return NULL;
    tape_fail(t, step_weights_pack(&t->weights, t->memory, t->products, t->threads, w, transposed, &packed));
    return packed;
}

attn_status tape_backward(tape *t, tensor *loss)
{
    if (t->status != ATTN_OK) return t->status;
    if (t->mode != TAPE_TRAIN)
        return status_fail(ATTN_ERROR_ARGUMENT, "a tape that infers has nothing to run backward");
    bool add;
    float *grad = tape_gradient(t, loss, &add);
    if (!grad) return t->status;
    for (int64_t i = 0, n = tensor_count(loss); i < n; i++) grad[i] = 1;
    for (record *r = t->last; r && t->status == ATTN_OK; r = r->before) r->backward(t, r->state);
    return t->status;
}

tensor *tape_keep(tape *t, arena_place place, tensor *x)
{
    if (t->status != ATTN_OK || t->mode == TAPE_TRAIN) return x;
    tensor kept = *x;
    kept.value = arena_keep(t->memory, place, x->value, (size_t)tensor_count(x) * sizeof(float));
    tensor *moved = kept.value ? tape_take(t, 1, sizeof *moved) : NULL;
    if (!moved) {
        tape_fail(t, status_fail(ATTN_ERROR_MEMORY, "no memory to keep a result"));
        return tape_nothing(t);
    }
    *moved = kept;
    return moved;
}

attn_status tape_status(const tape *t)
{
    return t->status;
}

tape_mode tape_get_mode(const tape *t)
{
    return t->mode;
}

int tape_threads(const tape *t)
{
    return t->threads;
}

arena *tape_arena(tape *t)
{
    return t->memory;
}

void *tape_take(tape *t, int64_t count, size_t size)
{
    size_t bytes;
    if (t->status != ATTN_OK) return NULL;
    if (count < 0 || !checked_mul((size_t)count, size, &bytes)) {
        tape_fail(t, status_fail(ATTN_ERROR_OVERFLOW, "%lld elements of %zu bytes do not fit", (long long)count, size));
        return NULL;
    }
    void *memory = arena_take(t->memory, bytes);
    if (!memory) tape_fail(t, status_fail(ATTN_ERROR_MEMORY, "no memory for %zu bytes on the tape", bytes));
    return memory;
}

/* A result without values yet; NULL once the tape has failed. */
static tensor *shaped_result(tape *t, int rank, const int64_t *shape)
{
    tensor *r = tape_take(t, 1, sizeof *r);
    if (!r) return NULL;
    *r = (tensor){.rank = rank, .traced = t->mode == TAPE_TRAIN};
    int64_t count = 1;
    for (int i = 0; i < rank; i++) {
        r->shape[i] = shape[i];
        if (shape[i] >= 0 && checked_mul_i64(count, shape[i], &count)) continue;
        tape_fail(t, status_fail(ATTN_ERROR_OVERFLOW, "a result's dimension %d is %lld", i, (long long)shape[i]));
        return NULL;
    }
    return r;
}

tensor *tape_result(tape *t, int rank, const int64_t *shape)
{
    tensor *r = shaped_result(t, rank, shape);
    if (r) r->value = tape_take(t, tensor_count(r), sizeof(float));
    return r && r->value ? r : NULL;
}

tensor *tape_narrow_result(tape *t, int rank, const int64_t *shape)
{
    tensor *r = shaped_result(t, rank, shape);
    if (r) r->narrow = tape_take(t, tensor_count(r), sizeof(uint16_t));
    return r && r->narrow ? r : NULL;
}

const uint16_t *tape_narrow_values(tape *t, tensor *x)
{
    if (x->narrow) return x->narrow;
    uint16_t *values = tape_take(t, tensor_count(x), sizeof *values);
    if (values) narrow_values(t->threads, tensor_count(x), x->value, values);
    if (x->traced) x->narrow = values; /* what is no result outlives the step, and its values may change */
    return values;
}

uint16_t *tape_narrow_gradient(tape *t, tensor *x)
{
    if (!x->traced) return NULL;
    if (x->narrow_grad) {
        tape_fail(t, status_fail(ATTN_ERROR_ARGUMENT, "a narrow result that two operations take"));
        return NULL;
    }
    x->narrow_grad = tape_take(t, tensor_count(x), sizeof *x->narrow_grad);
    return x->narrow_grad;
}

tensor *tape_nothing(tape *t)
{
    t->nothing = (tensor){.rank = 1};
    return &t->nothing;
}

void *tape_record(tape *t, size_t bytes, tape_backward_function backward)
{
    if (t->mode != TAPE_TRAIN) return NULL;
    record *r = tape_take(t, 1, sizeof *r);
    void *state = r ? tape_take(t, 1, bytes) : NULL;
    if (!state) return NULL;
    *r = (record){t->last, backward, memset(state, 0, bytes)};
    t->last = r;
    return state;
}

float *tape_gradient(tape *t, tensor *x, bool *add)
{
    *add = x->grad && !x->stale;
    x->stale = false;
    x->grad_sums = NULL; /* which what is added now would make untrue */
    if (x->grad || !x->traced) return x->grad;
    x->grad = tape_take(t, tensor_count(x), sizeof(float));
    return x->grad;
}

typedef struct addition {
    const float *from;
    float *to;
    int64_t count;
    bool add;
} addition;

#define ADDITION_RUN 16384

static void add_run(void *argument, int64_t task, int worker)
{
    (void)worker;
    const addition *a = argument;
    int64_t at = task * ADDITION_RUN, n = a->count - at < ADDITION_RUN ? a->count - at : ADDITION_RUN;
    if (a->add)
        row_kernels_get()->add(n, a->from + at, a->to + at);
    else
        memcpy(a->to + at, a->from + at, (size_t)n * sizeof(float));
}

void tape_add_gradient(tape *t, const float *values, tensor *x)
{
    addition a = {.from = values, .count = tensor_count(x)};
    a.to = tape_gradient(t, x, &a.add);
    if (a.to) parallel_for(t->threads, (a.count + ADDITION_RUN - 1) / ADDITION_RUN, add_run, &a);
}

void tape_pass_gradient(tape *t, tensor *from, tensor *to)
{
    if (!from->grad || !tensor_differentiated(to)) return;
    if (to->grad) /* a parameter's is where the optimizer looks for it */
        tape_add_gradient(t, from->grad, to);
    else
        to->grad = from->grad;
}

uint64_t tape_key(tape *t)
{
    return random_derive(t->key, t->ordinal++);
}

void tape_fail(tape *t, attn_status status)
{
    if (t->status == ATTN_OK) t->status = status;
}
