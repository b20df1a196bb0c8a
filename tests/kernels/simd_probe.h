/* simd.h's operations behind plain functions, so that a test can call those of every instruction set and compare. */
#ifndef TESTS_SIMD_PROBE_H
#define TESTS_SIMD_PROBE_H

#include <stdint.h>

typedef struct simd_probe {
    int lanes;
    /* y[0 .. n - 1] = f(x), tails by vec_load_n and vec_store_n. */
    void (*exp)(const float *x, float *y, int n);
    void (*exp2)(const float *x, float *y, int n);
    void (*log)(const float *x, float *y, int n);
    void (*tanh)(const float *x, float *y, int n);
    /* tanh(x / cap), and cap times it */
    void (*soft_cap)(float cap, const float *x, float *bent, float *capped, int n);
    void (*transpose)(float *square); /* lanes x lanes, in place */
    /* kept[4 * i + w] for the queries i0 .. i0 + n - 1 and the keys 4 * quad + w; n a multiple of the lanes. */
    void (*keeps)(uint64_t key, uint32_t head, uint32_t threshold, int64_t i0, int64_t quad, uint8_t *kept, int n);
    /* y[i] = bytes[i] ? x[i] : 0. */
    void (*select)(const uint8_t *bytes, const float *x, float *y, int n);
    float (*sum)(const float *x);     /* over the lanes */
    float (*largest)(const float *x); /* over the lanes */
} simd_probe;

extern const simd_probe simd_probe_scalar, simd_probe_avx2, simd_probe_avx512, simd_probe_neon;

#endif
