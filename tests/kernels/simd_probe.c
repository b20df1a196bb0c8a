#include "simd_probe.h"

#include "kernels/simd_dropout.h"
#include "kernels/simd_math.h"

static void probe_exp(const float *x, float *y, int n)
{
    for (int i = 0; i < n; i += SIMD_LANES) vec_store_n(y + i, vec_exp(vec_load_n(x + i, n - i)), n - i);
}

static void probe_tanh(const float *x, float *y, int n)
{
    for (int i = 0; i < n; i += SIMD_LANES) vec_store_n(y + i, vec_tanh(vec_load_n(x + i, n - i)), n - i);
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

const simd_probe SIMD_NAMED(simd_probe) = {SIMD_LANES,   probe_exp, probe_tanh,   probe_keeps,
                                           probe_select, probe_sum, probe_largest};
