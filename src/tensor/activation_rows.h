/* Activations and their slopes, of fp32 and of bf16. For the row kernels' body. */
#ifndef TENSOR_ACTIVATION_ROWS_H
#define TENSOR_ACTIVATION_ROWS_H

#include "tensor/narrow_rows.h"
#include "tensor/vector.h"

static void relu(int64_t n, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++) y[i] = x[i] < 0 ? 0 : x[i]; /* NaN stays */
}

static void relu_back(int64_t n, const float *x, float *dy)
{
    for (int64_t i = 0; i < n; i++) dy[i] = x[i] > 0 ? dy[i] : 0;
}

INLINE vec relu_with_slope(vec x, vec *slope)
{
    *slope = choose(x > all(0.0f), all(1.0f), all(0.0f));
    return choose(x < all(0.0f), all(0.0f), x);
}

INLINE vec gelu_vec(vec x)
{
    return x * normal_cumulative(x, normal_bell(x));
}

INLINE vec gelu_with_slope(vec x, vec *slope)
{
    const vec bell = normal_bell(x), cumulative = normal_cumulative(x, bell);
    *slope = multiply_add(x, 0.39894228040143268f * bell, cumulative);
    return x * cumulative;
}

/* The same for bf16. */
INLINE vec near_gelu_with_slope(vec x, vec *slope)
{
    const vec bell = near_normal_bell(x), cumulative = near_normal_cumulative(x, bell);
    *slope = multiply_add(x, 0.39894228040143268f * bell, cumulative);
    return x * cumulative;
}

INLINE vec swish_vec(vec x)
{
    return x / (1.0f + exponential(-x));
}

INLINE vec swish_with_slope(vec x, vec *slope)
{
    const vec grown = 1.0f + exponential(-x), s = 1.0f / grown;
    *slope = s * multiply_add(x, 1.0f - s, all(1.0f));
    return x / grown;
}

INLINE void map(int64_t n, const float *x, float *y, vec (*function)(vec))
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) store(y + i, function(load(x + i)));
    if (i < n) store_part(y + i, function(load_part(x + i, n - i)), n - i);
}

INLINE void map_with_slope(int64_t n, float *x, float *y, vec (*function)(vec, vec *))
{
    int64_t i = 0;
    vec slope;
    for (; i + LANES <= n; i += LANES) {
        store(y + i, function(load(x + i), &slope));
        store(x + i, slope);
    }
    if (i == n) return;
    store_part(y + i, function(load_part(x + i, n - i), &slope), n - i);
    store_part(x + i, slope, n - i);
}

INLINE void map_back(int64_t n, const float *x, float *dy, vec (*slope)(vec))
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) store(dy + i, load(dy + i) * slope(load(x + i)));
    if (i < n) store_part(dy + i, load_part(dy + i, n - i) * slope(load_part(x + i, n - i)), n - i);
}

static void gelu(int64_t n, const float *x, float *y)
{
    map(n, x, y, gelu_vec);
}

static void gelu_and_slope(int64_t n, float *x, float *y)
{
    map_with_slope(n, x, y, gelu_with_slope);
}

static void swish(int64_t n, const float *x, float *y)
{
    map(n, x, y, swish_vec);
}

static void swish_and_slope(int64_t n, float *x, float *y)
{
    map_with_slope(n, x, y, swish_with_slope);
}

INLINE vec tanh_slope(vec y)
{
    return 1.0f - y * y;
}

INLINE vec tanh_with_slope(vec x, vec *slope)
{
    const vec y = hyperbolic_tangent(x);
    *slope = tanh_slope(y);
    return y;
}

static void narrow_relu(int64_t n, uint16_t *y, uint16_t *slopes)
{
    map_narrow(n, y, slopes, relu_with_slope);
}

static void narrow_gelu(int64_t n, uint16_t *y, uint16_t *slopes)
{
    map_narrow(n, y, slopes, near_gelu_with_slope);
}

static void narrow_swish(int64_t n, uint16_t *y, uint16_t *slopes)
{
    map_narrow(n, y, slopes, swish_with_slope);
}

static void narrow_tanh(int64_t n, uint16_t *y, uint16_t *slopes)
{
    map_narrow(n, y, slopes, tanh_with_slope);
}

static void tanh_run(int64_t n, const float *x, float *y)
{
    map(n, x, y, hyperbolic_tangent);
}

static void tanh_back(int64_t n, const float *y, float *dy)
{
    map_back(n, y, dy, tanh_slope);
}

#endif
