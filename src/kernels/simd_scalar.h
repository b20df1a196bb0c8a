/* The vector of one lane: every kernel's strict twin. No contraction, no reordering: what the C says is what runs.
 * The operations are described in simd.h. */
#ifndef KERNELS_SIMD_SCALAR_H
#define KERNELS_SIMD_SCALAR_H

#include "base/number_format.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define SIMD_LANES 1
#define SIMD_REGISTERS 16
#define SIMD_NAMED(name) name##_scalar

typedef float vec;
typedef uint32_t ivec;
typedef uint8_t vmask;

static inline vec vec_zero(void)
{
    return 0;
}
static inline vec vec_set1(float x)
{
    return x;
}
static inline vec vec_load(const float *p)
{
    return *p;
}
static inline void vec_store(float *p, vec x)
{
    *p = x;
}
static inline vec vec_load_n(const float *p, int n)
{
    return n > 0 ? *p : 0;
}
static inline void vec_store_n(float *p, vec x, int n)
{
    if (n > 0) *p = x;
}
static inline vec vec_load_bf16(const uint16_t *p)
{
    return bf16_to_float(*p);
}
static inline vec vec_load_fp16(const uint16_t *p)
{
    return fp16_to_float(*p);
}
static inline void vec_store_bf16(uint16_t *p, vec x)
{
    *p = bf16_of_float(x);
}
static inline void vec_store_fp16(uint16_t *p, vec x)
{
    *p = fp16_of_float(x);
}
static inline vec vec_load_int8(const int8_t *p)
{
    return *p;
}
static inline vec vec_add(vec a, vec b)
{
    return a + b;
}
static inline vec vec_sub(vec a, vec b)
{
    return a - b;
}
static inline vec vec_mul(vec a, vec b)
{
    return a * b;
}
static inline vec vec_div(vec a, vec b)
{
    return a / b;
}
static inline vec vec_fma(vec a, vec b, vec c)
{
    return a * b + c;
}
static inline vec vec_max(vec a, vec b)
{
    return a > b ? a : b;
}
static inline vec vec_min(vec a, vec b)
{
    return a < b ? a : b;
}
static inline vec vec_abs(vec a)
{
    return fabsf(a);
}
static inline vec vec_with_sign(vec a, vec b)
{
    return copysignf(a, b);
}
static inline vec vec_round(vec a)
{
    return rintf(a);
}
static inline vec vec_scale2(vec x, vec n)
{
    uint32_t bits = n >= -126 && n <= 127 ? (uint32_t)((int32_t)n + 127) << 23 : 0;
    float power;
    memcpy(&power, &bits, sizeof power);
    return x * power;
}
static inline vec vec_split(vec x, vec *exponent)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    *exponent = (float)((int)(bits >> 23 & 0xff) - 127);
    bits = (bits & 0x007fffffu) | 0x3f800000u;
    memcpy(&x, &bits, sizeof x);
    return x;
}
static inline void vec_transpose(vec *rows)
{
    (void)rows;
}
static inline vmask vec_less(vec a, vec b)
{
    return a < b;
}
static inline vmask vec_equal(vec a, vec b)
{
    return a == b;
}
static inline vec vec_select(vmask m, vec yes, vec no)
{
    return m ? yes : no;
}
static inline vmask mask_first(int n)
{
    return n > 0;
}
static inline vmask mask_and(vmask a, vmask b)
{
    return a & b;
}
static inline vmask mask_or(vmask a, vmask b)
{
    return a | b;
}
static inline vmask mask_not(vmask a)
{
    return !a;
}
static inline int mask_any(vmask a)
{
    return a;
}
static inline vmask mask_load_bytes(const uint8_t *p, int n)
{
    return n > 0 && *p;
}
static inline vmask mask_of_bits(uint64_t bits)
{
    return bits & 1;
}
static inline uint64_t bits_of_bytes(const uint8_t *p, int n)
{
    uint64_t bits = 0;
    for (int i = 0; i < n; i++) bits |= (uint64_t)(p[i] != 0) << i;
    return bits;
}
static inline float vec_sum(vec a)
{
    return a;
}
static inline float vec_largest(vec a)
{
    return a;
}
static inline vec vec_sum_each(vec *x)
{
    return x[0];
}

static inline ivec ivec_set1(uint32_t x)
{
    return x;
}
static inline ivec ivec_iota(void)
{
    return 0;
}
static inline ivec ivec_add(ivec a, ivec b)
{
    return a + b;
}
static inline ivec ivec_xor(ivec a, ivec b)
{
    return a ^ b;
}
static inline ivec ivec_multiply_wide(ivec a, uint32_t factor, ivec *high)
{
    uint64_t product = (uint64_t)a * factor;
    *high = (uint32_t)(product >> 32);
    return (uint32_t)product;
}
static inline vmask ivec_less(ivec a, ivec b)
{
    return a < b;
}

#endif
