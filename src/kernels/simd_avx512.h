/* Sixteen lanes: AVX-512 F, BW, DQ and VL. The operations are described in simd.h. */
#ifndef KERNELS_SIMD_AVX512_H
#define KERNELS_SIMD_AVX512_H

#include <immintrin.h>
#include <stdint.h>

#define SIMD_LANES 16
#define SIMD_REGISTERS 32
#if defined(KERNEL_AMX)
#define SIMD_NAMED(name) name##_amx
#elif defined(KERNEL_AVX512BF16)
#define SIMD_NAMED(name) name##_avx512bf16
#else
#define SIMD_NAMED(name) name##_avx512
#endif

typedef __m512 vec;
typedef __m512i ivec;
typedef __mmask16 vmask;

static inline vec vec_zero(void)
{
    return _mm512_setzero_ps();
}
static inline vec vec_set1(float x)
{
    return _mm512_set1_ps(x);
}
static inline vec vec_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
static inline void vec_store(float *p, vec x)
{
    _mm512_storeu_ps(p, x);
}
static inline vmask mask_first(int n)
{
    return (vmask)(n >= 16 ? 0xffff : n <= 0 ? 0 : (1u << n) - 1);
}
static inline vec vec_load_n(const float *p, int n)
{
    return _mm512_maskz_loadu_ps(mask_first(n), p);
}
static inline void vec_store_n(float *p, vec x, int n)
{
    _mm512_mask_storeu_ps(p, mask_first(n), x);
}
static inline vec vec_load_bf16(const uint16_t *p)
{
    __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}
static inline vec vec_load_fp16(const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
static inline void vec_store_bf16(uint16_t *p, vec x)
{
    __m512i bits = _mm512_castps_si512(x), cut = _mm512_srli_epi32(bits, 16);
    __m512i odd = _mm512_and_si512(cut, _mm512_set1_epi32(1));
    __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
    __mmask16 number = _mm512_cmp_ps_mask(x, x, _CMP_ORD_Q);
    cut = _mm512_mask_srli_epi32(_mm512_or_si512(cut, _mm512_set1_epi32(0x40)), number, rounded, 16);
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(cut));
}
static inline void vec_store_fp16(uint16_t *p, vec x)
{
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
static inline vec vec_load_int8(const int8_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
static inline vec vec_add(vec a, vec b)
{
    return _mm512_add_ps(a, b);
}
static inline vec vec_sub(vec a, vec b)
{
    return _mm512_sub_ps(a, b);
}
static inline vec vec_mul(vec a, vec b)
{
    return _mm512_mul_ps(a, b);
}
static inline vec vec_div(vec a, vec b)
{
    return _mm512_div_ps(a, b);
}
static inline vec vec_fma(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
}
static inline vec vec_max(vec a, vec b)
{
    return _mm512_max_ps(a, b);
}
static inline vec vec_min(vec a, vec b)
{
    return _mm512_min_ps(a, b);
}
static inline vec vec_abs(vec a)
{
    return _mm512_abs_ps(a);
}
static inline vec vec_with_sign(vec a, vec b)
{
    const __m512i sign = _mm512_set1_epi32(INT32_MIN); /* its bit from b, the others from a */
    return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(sign, _mm512_castps_si512(b), _mm512_castps_si512(a), 0xca));
}
static inline vec vec_round(vec a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vec vec_scale2(vec x, vec n)
{
    return _mm512_scalef_ps(x, n);
}
static inline vec vec_split(vec x, vec *exponent)
{
    *exponent = _mm512_getexp_ps(x);
    return _mm512_getmant_ps(x, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_zero);
}
static inline void vec_transpose(vec *rows)
{
    vec pairs[16], quads[16], halves[16];
    for (int i = 0; i < 16; i += 2) {
        pairs[i] = _mm512_unpacklo_ps(rows[i], rows[i + 1]);
        pairs[i + 1] = _mm512_unpackhi_ps(rows[i], rows[i + 1]);
    }
    /* quads[4 * r + c]: rows 4 r .. 4 r + 3 of columns c, c + 4, c + 8 and c + 12 */
    for (int i = 0; i < 16; i += 4) {
        quads[i] = _mm512_shuffle_ps(pairs[i], pairs[i + 2], 0x44);
        quads[i + 1] = _mm512_shuffle_ps(pairs[i], pairs[i + 2], 0xee);
        quads[i + 2] = _mm512_shuffle_ps(pairs[i + 1], pairs[i + 3], 0x44);
        quads[i + 3] = _mm512_shuffle_ps(pairs[i + 1], pairs[i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        halves[i] = _mm512_shuffle_f32x4(quads[i], quads[i + 4], 0x88);
        halves[i + 4] = _mm512_shuffle_f32x4(quads[i], quads[i + 4], 0xdd);
        halves[i + 8] = _mm512_shuffle_f32x4(quads[i + 8], quads[i + 12], 0x88);
        halves[i + 12] = _mm512_shuffle_f32x4(quads[i + 8], quads[i + 12], 0xdd);
    }
    for (int i = 0; i < 4; i++) {
        rows[i] = _mm512_shuffle_f32x4(halves[i], halves[i + 8], 0x88);
        rows[i + 8] = _mm512_shuffle_f32x4(halves[i], halves[i + 8], 0xdd);
        rows[i + 4] = _mm512_shuffle_f32x4(halves[i + 4], halves[i + 12], 0x88);
        rows[i + 12] = _mm512_shuffle_f32x4(halves[i + 4], halves[i + 12], 0xdd);
    }
}
static inline vmask vec_less(vec a, vec b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
static inline vmask vec_equal(vec a, vec b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
}
static inline vec vec_select(vmask m, vec yes, vec no)
{
    return _mm512_mask_blend_ps(m, no, yes);
}
static inline vmask mask_and(vmask a, vmask b)
{
    return (vmask)(a & b);
}
static inline vmask mask_or(vmask a, vmask b)
{
    return (vmask)(a | b);
}
static inline vmask mask_not(vmask a)
{
    return (vmask)~a;
}
static inline int mask_any(vmask a)
{
    return a != 0;
}
static inline vmask mask_load_bytes(const uint8_t *p, int n)
{
    __m128i bytes = _mm_maskz_loadu_epi8(mask_first(n), p);
    return _mm_test_epi8_mask(bytes, bytes);
}
static inline vmask mask_of_bits(uint64_t bits)
{
    return (vmask)bits;
}
static inline uint64_t bits_of_bytes(const uint8_t *p, int n)
{
    const __m512i bytes = _mm512_maskz_loadu_epi8(n < 64 ? ((uint64_t)1 << n) - 1 : UINT64_MAX, p);
    return _mm512_test_epi8_mask(bytes, bytes);
}
static inline float vec_sum(vec a)
{
    __m256 y = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}
static inline float vec_largest(vec a)
{
    __m256 y = _mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m128 x = _mm_max_ps(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
}
static inline vec vec_sum_each(vec *x)
{
    /* Two vectors become one, first of halves of quarters, then of lanes, then of quarters; two shuffles take no longer
     * than a shuffle and two blends, which the units of the multiply-adds would share. */
    for (int i = 0; i < 8; i++) {
        const vec a = x[2 * i], b = x[2 * i + 1];
        x[i] = _mm512_add_ps(_mm512_mask_blend_ps(0xcccc, a, b), _mm512_shuffle_ps(a, b, 0x4e));
    }
    for (int i = 0; i < 4; i++) {
        const vec a = x[2 * i], b = x[2 * i + 1];
        x[i] = _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x88), _mm512_shuffle_ps(a, b, 0xdd));
    }
    for (int n = 2; n > 0; n /= 2)
        for (int i = 0; i < n; i++) {
            const vec a = x[2 * i], b = x[2 * i + 1];
            x[i] = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
        }
    return x[0];
}

static inline ivec ivec_set1(uint32_t x)
{
    return _mm512_set1_epi32((int)x);
}
static inline ivec ivec_iota(void)
{
    return _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}
static inline ivec ivec_add(ivec a, ivec b)
{
    return _mm512_add_epi32(a, b);
}
static inline ivec ivec_xor(ivec a, ivec b)
{
    return _mm512_xor_si512(a, b);
}
static inline ivec ivec_multiply_wide(ivec a, uint32_t factor, ivec *high)
{
    __m512i f = _mm512_set1_epi32((int)factor);
    __m512i even = _mm512_mul_epu32(a, f), odd = _mm512_mul_epu32(_mm512_srli_epi64(a, 32), f);
    *high = _mm512_mask_mov_epi32(_mm512_srli_epi64(even, 32), 0xaaaa, odd);
    return _mm512_mask_mov_epi32(even, 0xaaaa, _mm512_slli_epi64(odd, 32));
}
static inline vmask ivec_less(ivec a, ivec b)
{
    return _mm512_cmplt_epu32_mask(a, b);
}

#endif
