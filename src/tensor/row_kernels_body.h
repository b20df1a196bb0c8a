/* The body of the row kernels, included by one file per instruction set, which defines ROW_KERNELS_NAME (a string) and
 * ROW_KERNELS_TABLE (the table's identifier). See row_kernels.h for what each does. */
#include "base/number_format.h"
#include "base/random.h"
#include "tensor/narrow_rows.h"
#include "tensor/row_kernels.h"
#include "tensor/vector.h"

#include <math.h>

static void add(int64_t n, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++) y[i] += x[i];
}

static void multiply(int64_t n, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++) y[i] *= x[i];
}

static void scale(int64_t n, float s, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++) y[i] = s * x[i];
}

static void add_scaled(int64_t n, float s, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++) y[i] += s * x[i];
}

static void sum(int64_t n, const float *x, const float *y, float *z)
{
    for (int64_t i = 0; i < n; i++) z[i] = x[i] + y[i];
}

static double square_sum(int64_t n, const float *x)
{
    double sums[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++) sums[l] += (double)x[i + l] * x[i + l];
    for (; i < n; i++) sums[0] += (double)x[i] * x[i];
    double total = 0;
    for (int l = 0; l < LANES; l++) total += sums[l];
    return total;
}

/* Few rows at a time: rows that lie pages apart would otherwise cost an address translation for every few columns. */
#define COLUMN_SUM_ROWS 32

INLINE void add_columns(int64_t rows, int64_t columns, int64_t stride, const float *x, float *sums)
{
    int64_t j = 0;
    for (; j + 4 * LANES <= columns; j += 4 * LANES) {
        vec a = load(sums + j), b = load(sums + j + LANES);
        vec c = load(sums + j + 2 * LANES), d = load(sums + j + 3 * LANES);
        for (int64_t r = 0; r < rows; r++) {
            const float *row = x + r * stride + j;
            a += load(row);
            b += load(row + LANES);
            c += load(row + 2 * LANES);
            d += load(row + 3 * LANES);
        }
        store(sums + j, a);
        store(sums + j + LANES, b);
        store(sums + j + 2 * LANES, c);
        store(sums + j + 3 * LANES, d);
    }
    for (; j < columns; j++)
        for (int64_t r = 0; r < rows; r++) sums[j] += x[r * stride + j];
}

static void column_sums(int64_t rows, int64_t columns, int64_t stride, const float *x, float *sums)
{
    for (int64_t r = 0; r < rows; r += COLUMN_SUM_ROWS)
        add_columns(rows - r < COLUMN_SUM_ROWS ? rows - r : COLUMN_SUM_ROWS, columns, stride, x + r * stride, sums);
}

/* ---- dropout ---------------------------------------------------------------------------------------------------- */

#define DROPOUT_BLOCKS (DROPOUT_RUN / 4)

/* The multipliers of DROPOUT_RUN elements: 0 or `kept`. A word is compared by its upper 24 bits, as random_unit
 * does. */
static void dropout_factors(uint64_t key, uint64_t first, uint32_t threshold, float kept, float *factors)
{
    uint32_t c0[DROPOUT_BLOCKS], c1[DROPOUT_BLOCKS], c2[DROPOUT_BLOCKS] = {0}, c3[DROPOUT_BLOCKS] = {0};
    for (int i = 0; i < DROPOUT_BLOCKS; i++) {
        c0[i] = (uint32_t)(first + (uint64_t)i);
        c1[i] = (uint32_t)((first + (uint64_t)i) >> 32);
    }
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
        for (int i = 0; i < DROPOUT_BLOCKS; i++) {
            uint64_t p0 = (uint64_t)0xD2511F53u * c0[i], p1 = (uint64_t)0xCD9E8D57u * c2[i];
            c0[i] = (uint32_t)(p1 >> 32) ^ c1[i] ^ k0;
            c2[i] = (uint32_t)(p0 >> 32) ^ c3[i] ^ k1;
            c1[i] = (uint32_t)p1;
            c3[i] = (uint32_t)p0;
        }
    }
    for (int i = 0; i < DROPOUT_BLOCKS; i++) {
        factors[4 * i] = c0[i] >> 8 < threshold ? 0 : kept;
        factors[4 * i + 1] = c1[i] >> 8 < threshold ? 0 : kept;
        factors[4 * i + 2] = c2[i] >> 8 < threshold ? 0 : kept;
        factors[4 * i + 3] = c3[i] >> 8 < threshold ? 0 : kept;
    }
}

/* Bit b of word l of every LANES words is element b * LANES + l of their 32 * LANES: no sum or shift across lanes. */
INLINE void dropout_pack(const float *factors, uint32_t *bits)
{
    for (int w = 0; w < DROPOUT_WORDS; w += LANES, factors += 32 * LANES) {
        vecu words = {0};
        for (int b = 0; b < 32; b++) words |= (vecu)(load(factors + b * LANES) != all(0.0f)) & (uint32_t)1 << b;
        memcpy(bits + w, &words, sizeof words);
    }
}

INLINE void dropout_unpack(const uint32_t *bits, float kept, float *factors)
{
    for (int w = 0; w < DROPOUT_WORDS; w += LANES, factors += 32 * LANES) {
        vecu words;
        memcpy(&words, bits + w, sizeof words);
        for (int b = 0; b < 32; b++)
            store(factors + b * LANES, choose((veci)(words << (31 - b)) < 0, all(kept), all(0.0f)));
    }
}

static void dropout(int64_t n, uint64_t key, uint64_t first, float p, const float *x, float *y, uint32_t *bits)
{
    float factors[DROPOUT_RUN];
    const uint32_t threshold = (uint32_t)(p * 0x1p24f);
    const float kept = 1 / (1 - p);
    for (int64_t i = 0; i < n; i += DROPOUT_RUN, first += DROPOUT_BLOCKS, bits += DROPOUT_WORDS) {
        dropout_factors(key, first, threshold, kept, factors);
        dropout_pack(factors, bits);
        const int64_t part = n - i < DROPOUT_RUN ? n - i : DROPOUT_RUN;
        for (int64_t j = 0; j < part; j++) y[i + j] = x[i + j] * factors[j];
    }
}

INLINE void dropout_run_back(int64_t n, float p, const uint32_t *bits, const float *dy, float *dx, bool adding)
{
    float factors[DROPOUT_RUN];
    const float kept = 1 / (1 - p);
    for (int64_t i = 0; i < n; i += DROPOUT_RUN, bits += DROPOUT_WORDS) {
        dropout_unpack(bits, kept, factors);
        const int64_t part = n - i < DROPOUT_RUN ? n - i : DROPOUT_RUN;
        for (int64_t j = 0; j < part; j++)
            dx[i + j] = adding ? dx[i + j] + dy[i + j] * factors[j] : dy[i + j] * factors[j];
    }
}

static void dropout_back(int64_t n, float p, const uint32_t *bits, const float *dy, float *dx)
{
    dropout_run_back(n, p, bits, dy, dx, false);
}

static void dropout_back_add(int64_t n, float p, const uint32_t *bits, const float *dy, float *dx)
{
    dropout_run_back(n, p, bits, dy, dx, true);
}

/* ---- activations ------------------------------------------------------------------------------------------------ */

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

/* ---- layer norm ------------------------------------------------------------------------------------------------- */

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

/* ---- cross-entropy ---------------------------------------------------------------------------------------------- */

INLINE float row_largest(int64_t V, const float *x)
{
    int64_t i = 0;
    float top = x[0];
    if (V >= LANES) {
        vec a = load(x);
        for (i = LANES; i + LANES <= V; i += LANES) a = largest(a, load(x + i));
        top = lanes_largest(a);
    }
    for (; i < V; i++) top = x[i] > top ? x[i] : top;
    return top;
}

/* exp(x - top) summed, and kept in x if `keep`; x summed. */
INLINE void row_exponentials(int64_t V, float top, float *x, bool keep, double *exponentials, double *plain)
{
    vec e_sum = {0}, x_sum = {0};
    int64_t i = 0;
    for (; i + LANES <= V; i += LANES) {
        vec v = load(x + i), e = exponential(v - top);
        e_sum += e;
        x_sum += v;
        if (keep) store(x + i, e);
    }
    *exponentials = lanes_sum(e_sum);
    *plain = lanes_sum(x_sum);
    if (i == V) return;
    vec v = load_part(x + i, V - i), e = exponential(v - top);
    for (int64_t l = 0; l < V - i; l++) *exponentials += e[l];
    *plain += lanes_sum(v);
    if (keep) store_part(x + i, e, V - i);
}

static void log_sum_exp(int64_t V, const float *x, double *lse, double *plain)
{
    float top = row_largest(V, x);
    double exponentials;
    row_exponentials(V, top, (float *)(uintptr_t)x, false, &exponentials, plain);
    *lse = top + log(exponentials);
}

static void softmax_gradient(int64_t V, float factor, float smoothing, float *x, double *lse, double *plain)
{
    float top = row_largest(V, x);
    double exponentials;
    row_exponentials(V, top, x, true, &exponentials, plain);
    *lse = top + log(exponentials);
    const float scaled = (float)(factor / exponentials), shift = factor * smoothing / (float)V;
    for (int64_t i = 0; i < V; i++) x[i] = x[i] * scaled - shift;
}

/* ---- Adam ------------------------------------------------------------------------------------------------------- */

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

const row_kernels ROW_KERNELS_TABLE = {
    .name = ROW_KERNELS_NAME,
    .add = add,
    .multiply = multiply,
    .scale = scale,
    .add_scaled = add_scaled,
    .sum = sum,
    .narrow = narrow,
    .narrow_and_sum = narrow_and_sum,
    .narrow_sums = narrow_sums,
    .narrow_slopes_back = narrow_slopes_back,
    .square_sum = square_sum,
    .column_sums = column_sums,
    .dropout = dropout,
    .dropout_back = dropout_back,
    .dropout_back_add = dropout_back_add,
    .relu = relu,
    .relu_back = relu_back,
    .gelu = gelu,
    .gelu_and_slope = gelu_and_slope,
    .swish = swish,
    .swish_and_slope = swish_and_slope,
    .tanh = tanh_run,
    .tanh_back = tanh_back,
    .narrow_activations = {NULL, narrow_relu, narrow_gelu, narrow_swish, narrow_tanh},
    .layer_norm = layer_norm,
    .layer_norm_back = layer_norm_back,
    .log_sum_exp = log_sum_exp,
    .softmax_gradient = softmax_gradient,
    .adam = adam,
};
