/* Eight lanes: AVX2 with FMA and F16C. The operations are described in simd.h. */
#ifndef KERNELS_SIMD_AVX2_H
#define KERNELS_SIMD_AVX2_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define SIMD_LANES 8
#define SIMD_REGISTERS 16
#define SIMD_NAMED(name) name##_avx2

typedef __m256 vec;
typedef __m256i ivec;
typedef __m256 vmask; /* all bits of a lane, or none */

static inline vec vec_zero(void)
{
    return _mm256_setzero_ps();
}
static inline vec vec_set1(float x)
{
    return _mm256_set1_ps(x);
}
static inline vec vec_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
static inline void vec_store(float *p, vec x)
{
    _mm256_storeu_ps(p, x);
}
static inline ivec ivec_iota(void)
{
    return _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
}
static inline vmask mask_first(int n)
{
    return _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(n), ivec_iota()));
}
static inline vec vec_load_n(const float *p, int n)
{
    return _mm256_maskload_ps(p, _mm256_castps_si256(mask_first(n)));
}
static inline void vec_store_n(float *p, vec x, int n)
{
    /* A masked store takes some twenty cycles on AMD's. */
    if (n >= 8) {
        _mm256_storeu_ps(p, x);
        return;
    }
    _mm256_maskstore_ps(p, _mm256_castps_si256(mask_first(n)), x);
}
static inline vec vec_load_bf16(const uint16_t *p)
{
    __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}
static inline vec vec_load_fp16(const uint16_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}
static inline void vec_store_bf16(uint16_t *p, vec x)
{
    __m256i bits = _mm256_castps_si256(x), cut = _mm256_srli_epi32(bits, 16);
    __m256i odd = _mm256_and_si256(cut, _mm256_set1_epi32(1));
    __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
    __m256i quiet = _mm256_or_si256(cut, _mm256_set1_epi32(0x40));
    __m256i number = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_ORD_Q));
    cut = _mm256_blendv_epi8(quiet, _mm256_srli_epi32(rounded, 16), number);
    __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(cut, cut), 0xd8);
    _mm_storeu_si128((__m128i *)p, _mm256_castsi256_si128(packed));
}
static inline void vec_store_fp16(uint16_t *p, vec x)
{
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
static inline vec vec_load_int8(const int8_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
static inline vec vec_add(vec a, vec b)
{
    return _mm256_add_ps(a, b);
}
static inline vec vec_sub(vec a, vec b)
{
    return _mm256_sub_ps(a, b);
}
static inline vec vec_mul(vec a, vec b)
{
    return _mm256_mul_ps(a, b);
}
static inline vec vec_div(vec a, vec b)
{
    return _mm256_div_ps(a, b);
}
static inline vec vec_fma(vec a, vec b, vec c)
{
    return _mm256_fmadd_ps(a, b, c);
}
static inline vec vec_max(vec a, vec b)
{
    return _mm256_max_ps(a, b);
}
static inline vec vec_min(vec a, vec b)
{
    return _mm256_min_ps(a, b);
}
static inline vec vec_abs(vec a)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}
static inline vec vec_with_sign(vec a, vec b)
{
    const vec sign = _mm256_set1_ps(-0.0f);
    return _mm256_or_ps(_mm256_andnot_ps(sign, a), _mm256_and_ps(sign, b));
}
static inline vec vec_round(vec a)
{
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vec vec_scale2(vec x, vec n)
{
    __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), exponent));
}
static inline vec vec_split(vec x, vec *exponent)
{
    __m256i bits = _mm256_castps_si256(x);
    __m256i biased = _mm256_and_si256(_mm256_srli_epi32(bits, 23), _mm256_set1_epi32(0xff));
    *exponent = _mm256_cvtepi32_ps(_mm256_sub_epi32(biased, _mm256_set1_epi32(127)));
    bits = _mm256_and_si256(bits, _mm256_set1_epi32(0x007fffff));
    return _mm256_castsi256_ps(_mm256_or_si256(bits, _mm256_set1_epi32(0x3f800000)));
}
static inline void vec_transpose(vec *rows)
{
    vec pairs[8], quads[8];
    for (int i = 0; i < 8; i += 2) {
        pairs[i] = _mm256_unpacklo_ps(rows[i], rows[i + 1]);
        pairs[i + 1] = _mm256_unpackhi_ps(rows[i], rows[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        quads[i] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0x44);
        quads[i + 1] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0xee);
        quads[i + 2] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0x44);
        quads[i + 3] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        rows[i] = _mm256_permute2f128_ps(quads[i], quads[i + 4], 0x20);
        rows[i + 4] = _mm256_permute2f128_ps(quads[i], quads[i + 4], 0x31);
    }
}
static inline vmask vec_less(vec a, vec b)
{
    return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}
static inline vmask vec_equal(vec a, vec b)
{
    return _mm256_cmp_ps(a, b, _CMP_EQ_OQ);
}
static inline vec vec_select(vmask m, vec yes, vec no)
{
    return _mm256_blendv_ps(no, yes, m);
}
static inline vmask mask_and(vmask a, vmask b)
{
    return _mm256_and_ps(a, b);
}
static inline vmask mask_or(vmask a, vmask b)
{
    return _mm256_or_ps(a, b);
}
static inline vmask mask_not(vmask a)
{
    return _mm256_xor_ps(a, _mm256_castsi256_ps(_mm256_set1_epi32(-1)));
}
static inline int mask_any(vmask a)
{
    return _mm256_movemask_ps(a) != 0;
}
static inline vmask mask_load_bytes(const uint8_t *p, int n)
{
    uint64_t bytes = 0;
    memcpy(&bytes, p, n < 8 ? (n > 0 ? (size_t)n : 0) : 8);
    __m256i wide = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)bytes));
    return _mm256_castsi256_ps(_mm256_cmpgt_epi32(wide, _mm256_setzero_si256()));
}
static inline vmask mask_of_bits(uint64_t bits)
{
    const __m256i each = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    const __m256i kept = _mm256_and_si256(_mm256_set1_epi32((int)(uint32_t)bits), each);
    return _mm256_castsi256_ps(_mm256_cmpeq_epi32(kept, each));
}
static inline uint64_t bits_of_bytes(const uint8_t *p, int n)
{
    uint64_t zeros = 0;
    uint8_t padded[64] = {0};
    if (n < 64) p = memcpy(padded, p, (size_t)n);
    for (int i = 0; i < 64; i += 32) {
        const __m256i bytes = _mm256_loadu_si256((const __m256i *)(p + i));
        const __m256i zero = _mm256_cmpeq_epi8(bytes, _mm256_setzero_si256());
        zeros |= (uint64_t)(uint32_t)_mm256_movemask_epi8(zero) << i;
    }
    return ~zeros;
}
static inline float vec_sum(vec a)
{
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}
static inline float vec_largest(vec a)
{
    __m128 x = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
}
static inline vec vec_sum_each(vec *x)
{
    /* Two vectors become one whose halves, pairs, then lanes belong to one and the other. */
    for (int i = 0; i < 4; i++)
        x[i] = _mm256_add_ps(_mm256_blend_ps(x[i], x[i + 4], 0xf0), _mm256_permute2f128_ps(x[i], x[i + 4], 0x21));
    for (int i = 0; i < 2; i++)
        x[i] = _mm256_add_ps(_mm256_blend_ps(x[i], x[i + 2], 0xcc), _mm256_shuffle_ps(x[i], x[i + 2], 0x4e));
    vec other = _mm256_permute_ps(_mm256_blend_ps(x[0], x[1], 0x55), 0xb1);
    return _mm256_add_ps(_mm256_blend_ps(x[0], x[1], 0xaa), other);
}

static inline ivec ivec_set1(uint32_t x)
{
    return _mm256_set1_epi32((int)x);
}
static inline ivec ivec_add(ivec a, ivec b)
{
    return _mm256_add_epi32(a, b);
}
static inline ivec ivec_xor(ivec a, ivec b)
{
    return _mm256_xor_si256(a, b);
}
static inline ivec ivec_multiply_wide(ivec a, uint32_t factor, ivec *high)
{
    __m256i f = _mm256_set1_epi32((int)factor);
    __m256i even = _mm256_mul_epu32(a, f), odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), f);
    *high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
    return _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
}
static inline vmask ivec_less(ivec a, ivec b)
{
    const __m256i sign = _mm256_set1_epi32((int)0x80000000u);
    return _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_xor_si256(b, sign), _mm256_xor_si256(a, sign)));
}

#endif
