/* One vector type and its few inline operations, so that a kernel has one body. A body includes this header alone and
 * is built once per instruction set, which the build names by KERNEL_SCALAR, KERNEL_AVX2, KERNEL_AVX512 or KERNEL_NEON.
 *
 *   vec    SIMD_LANES floats        ivec   SIMD_LANES uint32_t        vmask  one bit of truth per lane
 *   SIMD_REGISTERS                  vector registers that the set has
 *   SIMD_NAMED(f)                   the external name of f in this instruction set: f_avx512
 *
 *   vec_load, vec_store             unaligned, all lanes
 *   vec_load_n, vec_store_n         the first n lanes; the others read as 0 and are not touched, n <= 0 touches nothing
 *   vec_load_bf16, vec_load_fp16    all lanes of 16-bit floats (base/number_format.h), exactly
 *   vec_store_bf16, vec_store_fp16  all lanes as those, rounded to nearest, ties to even
 *   vec_load_int8                   all lanes of bytes, exactly
 *   vec_fma(a, b, c)                a * b + c, rounded once in vectors, twice in the scalar twin
 *   vec_max, vec_min(a, b)          b when either is NaN
 *   vec_with_sign(a, b)             |a| with the sign of b
 *   vec_round                       to nearest, ties to even
 *   vec_scale2(x, n)                x * 2^n for an integral n, where x and the result are positive normals
 *   vec_split(x, &e)                m in 1 .. 2 with x = m * 2^e, for a positive normal x
 *   vec_transpose(rows)             SIMD_LANES vectors, in place
 *   vec_sum_each(x)                 of SIMD_LANES vectors: lane i is the sum of the lanes of x[i], each in the same
 *                                   order; x is used up
 *   vec_less, vec_equal             false on NaN
 *   vec_select(m, yes, no)
 *   vec_sum, vec_largest            over the lanes, in a fixed order
 *   mask_first(n)                   the first n lanes
 *   mask_load_bytes(p, n)           lane i is true if i < n and p[i] is not zero
 *   mask_of_bits(bits)              lane i is true if bit i is set; bits beyond the lanes are passed over
 *   bits_of_bytes(p, n)             bit i is set if i < n and p[i] is not zero, n <= 64
 *   ivec_multiply_wide(a, f, &h)    the low words of a * f; the high ones in h
 *   ivec_less                       unsigned */
#ifndef KERNELS_SIMD_H
#define KERNELS_SIMD_H

#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || (__FINITE_MATH_ONLY__ + 0)
#error "masks are infinities and sums have an order: build without -ffast-math, -Ofast and what they stand for"
#endif

/* Of a function whose constant arguments have to be known where it is used, so that its loops are unrolled. */
#define INLINE static inline __attribute__((always_inline))

#if defined(KERNEL_AVX512) || defined(KERNEL_AVX512BF16) || defined(KERNEL_AMX)
#include "kernels/simd_avx512.h"
#elif defined(KERNEL_AVX2)
#include "kernels/simd_avx2.h"
#elif defined(KERNEL_NEON)
#include "kernels/simd_neon.h"
#elif defined(KERNEL_SCALAR)
#include "kernels/simd_scalar.h"
#else
#error "a kernel's body is built with KERNEL_SCALAR, KERNEL_AVX2, KERNEL_AVX512 or KERNEL_NEON"
#endif

#endif
