/* Four lanes: aarch64's Advanced SIMD, NEON, which every CPU of the architecture has. The operations are described in
 * simd.h. */
#ifndef KERNELS_SIMD_NEON_H
#define KERNELS_SIMD_NEON_H

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

#define SIMD_LANES 4
#define SIMD_REGISTERS 32
#define SIMD_NAMED(name) name##_neon

typedef float32x4_t vec;
typedef uint32x4_t ivec;
typedef uint32x4_t vmask; /* all bits of a lane, or none */

static inline vec vec_zero(void)
{
    return vdupq_n_f32(0);
}
static inline vec vec_set1(float x)
{
    return vdupq_n_f32(x);
}
static inline vec vec_load(const float *p)
{
    return vld1q_f32(p);
}
static inline void vec_store(float *p, vec x)
{
    vst1q_f32(p, x);
}
static inline ivec ivec_iota(void)
{
    const uint32_t lanes[4] = {0, 1, 2, 3};
    return vld1q_u32(lanes);
}
static inline vmask mask_first(int n)
{
    return vcgtq_s32(vdupq_n_s32(n), vreinterpretq_s32_u32(ivec_iota()));
}
static inline vec vec_load_n(const float *p, int n)
{
    if (n >= 4) return vld1q_f32(p);
    vec x = vec_zero();
    if (n >= 2) x = vcombine_f32(vld1_f32(p), vget_low_f32(x));
    if (n == 3) x = vld1q_lane_f32(p + 2, x, 2);
    if (n == 1) x = vld1q_lane_f32(p, x, 0);
    return x;
}
static inline void vec_store_n(float *p, vec x, int n)
{
    if (n >= 4) {
        vst1q_f32(p, x);
        return;
    }
    if (n >= 2) vst1_f32(p, vget_low_f32(x));
    if (n == 3) vst1q_lane_f32(p + 2, x, 2);
    if (n == 1) vst1q_lane_f32(p, x, 0);
}
static inline vec vec_load_bf16(const uint16_t *p)
{
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
}
static inline vec vec_load_fp16(const uint16_t *p)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}
static inline void vec_store_bf16(uint16_t *p, vec x)
{
    uint32x4_t bits = vreinterpretq_u32_f32(x), cut = vshrq_n_u32(bits, 16);
    uint32x4_t odd = vandq_u32(cut, vdupq_n_u32(1));
    uint32x4_t rounded = vshrq_n_u32(vaddq_u32(vaddq_u32(bits, vdupq_n_u32(0x7fff)), odd), 16);
    cut = vbslq_u32(vceqq_f32(x, x), rounded, vorrq_u32(cut, vdupq_n_u32(0x40)));
    vst1_u16(p, vmovn_u32(cut));
}
static inline void vec_store_fp16(uint16_t *p, vec x)
{
    vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(x)));
}
static inline vec vec_load_int8(const int8_t *p)
{
    uint32_t bytes;
    memcpy(&bytes, p, sizeof bytes);
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vcreate_s8(bytes)))));
}
static inline vec vec_add(vec a, vec b)
{
    return vaddq_f32(a, b);
}
static inline vec vec_sub(vec a, vec b)
{
    return vsubq_f32(a, b);
}
static inline vec vec_mul(vec a, vec b)
{
    return vmulq_f32(a, b);
}
static inline vec vec_div(vec a, vec b)
{
    return vdivq_f32(a, b);
}
static inline vec vec_fma(vec a, vec b, vec c)
{
    return vfmaq_f32(c, a, b);
}
/* Not vmaxq_f32, which gives a NaN where either is one. */
static inline vec vec_max(vec a, vec b)
{
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}
static inline vec vec_min(vec a, vec b)
{
    return vbslq_f32(vcltq_f32(a, b), a, b);
}
static inline vec vec_abs(vec a)
{
    return vabsq_f32(a);
}
static inline vec vec_with_sign(vec a, vec b)
{
    return vbslq_f32(vdupq_n_u32(0x80000000u), b, a);
}
static inline vec vec_round(vec a)
{
    return vrndnq_f32(a);
}
static inline vec vec_scale2(vec x, vec n)
{
    int32x4_t exponent = vshlq_n_s32(vcvtq_s32_f32(n), 23);
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(x), exponent));
}
static inline vec vec_split(vec x, vec *exponent)
{
    uint32x4_t bits = vreinterpretq_u32_f32(x);
    int32x4_t biased = vreinterpretq_s32_u32(vandq_u32(vshrq_n_u32(bits, 23), vdupq_n_u32(0xff)));
    *exponent = vcvtq_f32_s32(vsubq_s32(biased, vdupq_n_s32(127)));
    bits = vandq_u32(bits, vdupq_n_u32(0x007fffff));
    return vreinterpretq_f32_u32(vorrq_u32(bits, vdupq_n_u32(0x3f800000)));
}
static inline void vec_transpose(vec *rows)
{
    float32x4x2_t upper = vzipq_f32(rows[0], rows[2]), lower = vzipq_f32(rows[1], rows[3]);
    float32x4x2_t first = vzipq_f32(upper.val[0], lower.val[0]), last = vzipq_f32(upper.val[1], lower.val[1]);
    rows[0] = first.val[0];
    rows[1] = first.val[1];
    rows[2] = last.val[0];
    rows[3] = last.val[1];
}
static inline vmask vec_less(vec a, vec b)
{
    return vcltq_f32(a, b);
}
static inline vmask vec_equal(vec a, vec b)
{
    return vceqq_f32(a, b);
}
static inline vec vec_select(vmask m, vec yes, vec no)
{
    return vbslq_f32(m, yes, no);
}
static inline vmask mask_and(vmask a, vmask b)
{
    return vandq_u32(a, b);
}
static inline vmask mask_or(vmask a, vmask b)
{
    return vorrq_u32(a, b);
}
static inline vmask mask_not(vmask a)
{
    return vmvnq_u32(a);
}
static inline int mask_any(vmask a)
{
    return vmaxvq_u32(a) != 0;
}
static inline vmask mask_load_bytes(const uint8_t *p, int n)
{
    uint32_t bytes = 0;
    memcpy(&bytes, p, n < 4 ? (n > 0 ? (size_t)n : 0) : 4);
    uint32x4_t wide = vmovl_u16(vget_low_u16(vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(bytes)))));
    return vtstq_u32(wide, wide);
}
static inline vmask mask_of_bits(uint64_t bits)
{
    return vtstq_u32(vdupq_n_u32((uint32_t)bits), vshlq_u32(vdupq_n_u32(1), vreinterpretq_s32_u32(ivec_iota())));
}
static inline uint64_t bits_of_bytes(const uint8_t *p, int n)
{
    const uint8_t each[8] = {1, 2, 4, 8, 16, 32, 64, 128};
    uint8_t padded[64] = {0};
    if (n < 64) p = memcpy(padded, p, (size_t)n);
    uint64_t bits = 0;
    for (int i = 0; i < 64; i += 8) {
        const uint8x8_t bytes = vld1_u8(p + i);
        bits |= (uint64_t)vaddv_u8(vand_u8(vtst_u8(bytes, bytes), vld1_u8(each))) << i;
    }
    return bits;
}
static inline float vec_sum(vec a)
{
    return vaddvq_f32(a);
}
static inline float vec_largest(vec a)
{
    return vmaxnmvq_f32(a); /* of those that are numbers */
}
static inline vec vec_sum_each(vec *x)
{
    return vpaddq_f32(vpaddq_f32(x[0], x[1]), vpaddq_f32(x[2], x[3]));
}

static inline ivec ivec_set1(uint32_t x)
{
    return vdupq_n_u32(x);
}
static inline ivec ivec_add(ivec a, ivec b)
{
    return vaddq_u32(a, b);
}
static inline ivec ivec_xor(ivec a, ivec b)
{
    return veorq_u32(a, b);
}
static inline ivec ivec_multiply_wide(ivec a, uint32_t factor, ivec *high)
{
    uint32x2_t f = vdup_n_u32(factor);
    uint32x4_t first = vreinterpretq_u32_u64(vmull_u32(vget_low_u32(a), f));
    uint32x4_t last = vreinterpretq_u32_u64(vmull_u32(vget_high_u32(a), f));
    *high = vuzp2q_u32(first, last);
    return vuzp1q_u32(first, last);
}
static inline vmask ivec_less(ivec a, ivec b)
{
    return vcltq_u32(a, b);
}

#endif
