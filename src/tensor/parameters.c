#include "tensor/parameters.h"

#include "base/arena.h"
#include "base/checked.h"
#include "base/large_block.h"
#include "base/status.h"
#include "tensor/dense.h"

#include <stdlib.h>
#include <string.h>

/* Parameters start at multiples of a cache line, so that no two share one. */
#define LINE_FLOATS ((int64_t)(ARENA_ALIGNMENT / sizeof(float)))

static bool grow(parameters *p)
{
    if (p->count < p->capacity) return true;
    int64_t capacity = p->capacity ? p->capacity * 2 : 64;
    parameter *items = realloc(p->items, (size_t)capacity * sizeof *items);
    if (!items) return false;
    p->items = items;
    p->capacity = capacity;
    return true;
}

int64_t parameters_declare(parameters *p, const char *name, int rank, const int64_t *shape)
{
    if (rank < 0 || rank > TENSOR_MAX_RANK) {
        status_fail(ATTN_ERROR_ARGUMENT, "parameter %s: rank %d, expected 0 to %d", name, rank, TENSOR_MAX_RANK);
        return -1;
    }
    tensor t = {.rank = rank};
    int64_t count = 1;
    for (int i = 0; i < rank; i++) {
        t.shape[i] = shape[i];
        if (shape[i] < 0 || !checked_mul_i64(count, shape[i], &count)) {
            status_fail(ATTN_ERROR_OVERFLOW, "parameter %s: dimension %d is %lld", name, i, (long long)shape[i]);
            return -1;
        }
    }
    char *copy = strdup(name);
    if (!copy || !grow(p)) {
        free(copy);
        status_fail(ATTN_ERROR_MEMORY, "parameter %s: no memory to declare it", name);
        return -1;
    }
    p->items[p->count] = (parameter){copy, t, false};
    return p->count++;
}

void parameters_place(parameters *p, int64_t index, const float *values)
{
    p->items[index].tensor.value = (float *)values;
    p->items[index].placed = true;
}

/* Sets p->total: every parameter's count, rounded up to a whole line, but of those placed elsewhere. */
static bool count_total(parameters *p)
{
    int64_t total = 0;
    for (int64_t i = 0; i < p->count; i++) {
        int64_t padded;
        if (p->items[i].placed) continue;
        if (!checked_add_i64(tensor_count(&p->items[i].tensor), LINE_FLOATS - 1, &padded)) return false;
        if (!checked_add_i64(total, padded / LINE_FLOATS * LINE_FLOATS, &total)) return false;
    }
    p->total = total;
    return total <= INT64_MAX / (int64_t)sizeof(float);
}

static float *zeroed_floats(int64_t count)
{
    const size_t bytes = (size_t)(count ? count : LINE_FLOATS) * sizeof(float); /* at most INT64_MAX */
    float *memory = large_block(bytes);
    return memory ? memset(memory, 0, bytes) : NULL;
}

attn_status parameters_allocate(parameters *p, bool trainable)
{
    if (!count_total(p)) return status_fail(ATTN_ERROR_OVERFLOW, "the parameters' sizes together overflow");
    p->values = zeroed_floats(p->total);
    p->grads = trainable && p->values ? zeroed_floats(p->total) : NULL;
    if (!p->values || (trainable && !p->grads)) {
        free(p->values);
        p->values = NULL;
        return status_fail(ATTN_ERROR_MEMORY, "no memory for %lld parameters", (long long)p->total);
    }
    int64_t at = 0;
    for (int64_t i = 0; i < p->count; i++) {
        tensor *t = &p->items[i].tensor;
        if (p->items[i].placed) continue;
        t->value = p->values + at;
        t->grad = trainable ? p->grads + at : NULL;
        at += (tensor_count(t) + LINE_FLOATS - 1) / LINE_FLOATS * LINE_FLOATS;
    }
    return ATTN_OK;
}

tensor *parameters_find(parameters *p, const char *name)
{
    for (int64_t i = 0; i < p->count; i++)
        if (strcmp(p->items[i].name, name) == 0) return &p->items[i].tensor;
    return NULL;
}

void parameters_begin_gradients(parameters *p)
{
    for (int64_t i = 0; i < p->count; i++) p->items[i].tensor.stale = true;
}

void parameters_end_gradients(parameters *p)
{
    for (int64_t i = 0; i < p->count; i++) {
        tensor *t = &p->items[i].tensor;
        if (t->stale) memset(t->grad, 0, (size_t)tensor_count(t) * sizeof(float));
        t->stale = false;
    }
}

attn_status parameters_pack(tensor *weights)
{
    if (weights->rank != 2 || weights->grad)
        return status_fail(ATTN_ERROR_ARGUMENT, "a parameter of rank %d%s to pack, expected constant weights (O, I)",
                           weights->rank, weights->grad ? " that is trained" : "");
    if (weights->packed) return ATTN_OK;
    return dense_pack(&weights->packed, DENSE_FP32, 1, weights->shape[0], weights->shape[1], weights->value, true);
}

void parameters_destroy(parameters *p)
{
    for (int64_t i = 0; i < p->count; i++) {
        free(p->items[i].name);
        dense_packed_destroy(p->items[i].tensor.packed);
    }
    free(p->items);
    free(p->values);
    free(p->grads);
    *p = (parameters){0};
}
