#include "simd_probe.h"

#include "kernels/simd_dropout.h"
#include "kernels/simd_math.h"
#include "kernels/soft_cap.h"

static void probe_exp(const float *x, float *y, int n)
{
    for (int i = 0; i < n; i += SIMD_LANES) vec_store_n(y + i, vec_exp(vec_load_n(x + i, n - i)), n - i);
}

static void probe_exp2(const float *x, float *y, int n)
{
    for (int i = 0; i < n; i += SIMD_LANES) vec_store_n(y + i, vec_exp2(vec_load_n(x + i, n - i)), n - i);
}

static void probe_log(const float *x, float *y, int n)
{
    for (int i = 0; i < n; i += SIMD_LANES) vec_store_n(y + i, vec_log(vec_load_n(x + i, n - i)), n - i);
}

static void probe_transpose(float *square)
{
    vec rows[SIMD_LANES];
    for (int i = 0; i < SIMD_LANES; i++) rows[i] = vec_load(square + i * SIMD_LANES);
    vec_transpose(rows);
    for (int i = 0; i < SIMD_LANES; i++) vec_store(square + i * SIMD_LANES, rows[i]);
}

static void probe_tanh(const float *x, float *y, int n)
{
    for (int i = 0; i < n; i += SIMD_LANES) vec_store_n(y + i, vec_tanh(vec_load_n(x + i, n - i)), n - i);
}

static void probe_soft_cap(float cap, const float *x, float *bent, float *capped, int n)
{
    const soft_cap c = soft_cap_of(cap);
    for (int i = 0; i < n; i += SIMD_LANES) {
        const vec score = vec_load_n(x + i, n - i);
        vec_store_n(bent + i, soft_cap_tanh(&c, score), n - i);
        vec_store_n(capped + i, soft_capped(&c, score), n - i);
    }
}

static void probe_keeps(uint64_t key, uint32_t head, uint32_t threshold, int64_t i0, int64_t quad, uint8_t *kept, int n)
{
    dropout_draw draw = {.key = key, .head = head, .threshold = threshold};
    for (int i = 0; i < n; i += SIMD_LANES) {
        vmask mask[4];
        dropout_keeps_quad(&draw, i0 + i, quad, mask);
        for (int w = 0; w < 4; w++) {
            float ones[SIMD_LANES];
            vec_store(ones, vec_select(mask[w], vec_set1(1), vec_zero()));
            for (int lane = 0; lane < SIMD_LANES; lane++) kept[4 * (i + lane) + w] = ones[lane] == 1;
        }
    }
}

static void probe_select(const uint8_t *bytes, const float *x, float *y, int n)
{
    for (int i = 0; i < n; i += SIMD_LANES) {
        vmask keep = mask_load_bytes(bytes + i, n - i);
        vec_store_n(y + i, vec_select(keep, vec_load_n(x + i, n - i), vec_zero()), n - i);
    }
}

static float probe_sum(const float *x)
{
    return vec_sum(vec_load(x));
}

static float probe_largest(const float *x)
{
    return vec_largest(vec_load(x));
}

const simd_probe SIMD_NAMED(simd_probe) = {
    .lanes = SIMD_LANES,
    .exp = probe_exp,
    .exp2 = probe_exp2,
    .log = probe_log,
    .tanh = probe_tanh,
    .soft_cap = probe_soft_cap,
    .transpose = probe_transpose,
    .keeps = probe_keeps,
    .select = probe_select,
    .sum = probe_sum,
    .largest = probe_largest,
};
