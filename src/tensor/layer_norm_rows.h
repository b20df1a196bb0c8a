/* Layer norm of rows, forward and backward. For the row kernels' body. */
#ifndef TENSOR_LAYER_NORM_ROWS_H
#define TENSOR_LAYER_NORM_ROWS_H

#include "tensor/row_sums.h"
#include "tensor/vector.h"

/* The sum of (x - shift)^power over a row, power 1 or 2. */
INLINE float row_moment(int64_t D, const float *x, float shift, int power)
{
    vec a = {0}, b = {0};
    int64_t j = 0;
    for (; j + 2 * LANES <= D; j += 2 * LANES) {
        vec u = load(x + j) - shift, v = load(x + j + LANES) - shift;
        a += power == 2 ? u * u : u;
        b += power == 2 ? v * v : v;
    }
    float total = lanes_sum(a + b);
    for (; j < D; j++) total += power == 2 ? (x[j] - shift) * (x[j] - shift) : x[j] - shift;
    return total;
}

static void layer_norm(int64_t rows, int64_t D, float epsilon, const float *x, const float *residual,
                       const float *gamma, const float *beta, float *s, float *mean, float *inverse, float *y,
                       uint16_t *narrowed)
{
    for (int64_t r = 0; r < rows; r++, x += D, y += D) {
        const float *row = x;
        if (residual) {
            sum(D, x, residual + r * D, s + r * D);
            row = s + r * D;
        }
        float m = row_moment(D, row, 0, 1) / (float)D;
        float inv = 1 / sqrtf(row_moment(D, row, m, 2) / (float)D + epsilon);
        for (int64_t j = 0; j < D; j++) y[j] = (row[j] - m) * inv * gamma[j] + beta[j];
        if (narrowed) narrow(D, y, narrowed + r * D);
        if (mean) {
            mean[r] = m;
            inverse[r] = inv;
        }
    }
}

/* With h = (s - mean) * inverse and g = dy * gamma: ds = inverse * (g - mean(g) - h * mean(g * h)). */
static void layer_norm_back(int64_t rows, int64_t D, const float *s, const float *mean, const float *inverse,
                            const float *gamma, const float *dy, float *ds, float *dgamma, float *dbeta)
{
    for (int64_t r = 0; r < rows; r++, s += D, dy += D, ds += D) {
        const float m = mean[r], inv = inverse[r];
        vec g_sum = {0}, gh_sum = {0};
        int64_t j = 0;
        for (; j + LANES <= D; j += LANES) {
            vec g = load(dy + j) * load(gamma + j), h = (load(s + j) - m) * inv;
            g_sum += g;
            gh_sum += g * h;
        }
        float g_mean = lanes_sum(g_sum), gh_mean = lanes_sum(gh_sum);
        for (; j < D; j++) {
            g_mean += dy[j] * gamma[j];
            gh_mean += dy[j] * gamma[j] * (s[j] - m) * inv;
        }
        g_mean /= (float)D;
        gh_mean /= (float)D;
        for (j = 0; j < D; j++) {
            float h = (s[j] - m) * inv;
            ds[j] = inv * (dy[j] * gamma[j] - g_mean - h * gh_mean);
        }
        if (dgamma)
            for (j = 0; j < D; j++) dgamma[j] += dy[j] * ((s[j] - m) * inv);
        if (dbeta) add(D, dy, dbeta);
    }
}

#endif
