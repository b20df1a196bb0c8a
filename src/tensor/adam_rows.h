/* A step of Adam. For the row kernels' body. */
#ifndef TENSOR_ADAM_ROWS_H
#define TENSOR_ADAM_ROWS_H

#include "tensor/row_kernels.h"
#include "tensor/vector.h"

INLINE vec adam_step(const adam_terms *t, vec g, vec *m, vec *v, vec value)
{
    g *= t->grad_scale;
    *m = t->beta1 * *m + (1 - t->beta1) * g;
    *v = t->beta2 * *v + (1 - t->beta2) * g * g;
    vec step = (*m * t->correction1) / (square_root(*v * t->correction2) + t->epsilon);
    return value - t->rate * step - t->decay * value;
}

static void adam(int64_t n, const adam_terms *t, const float *grad, float *m, float *v, float *value)
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vec vm = load(m + i), vv = load(v + i);
        store(value + i, adam_step(t, load(grad + i), &vm, &vv, load(value + i)));
        store(m + i, vm);
        store(v + i, vv);
    }
    if (i == n) return;
    vec vm = load_part(m + i, n - i), vv = load_part(v + i, n - i);
    store_part(value + i, adam_step(t, load_part(grad + i, n - i), &vm, &vv, load_part(value + i, n - i)), n - i);
    store_part(m + i, vm, n - i);
    store_part(v + i, vv, n - i);
}

#endif
