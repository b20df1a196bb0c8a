/* The 16-bit floating-point formats of files, to fp32 and back.
 *
 *     bf16  1 sign, 8 exponent, 7 fraction bits: the upper half of an fp32
 *     fp16  1 sign, 5 exponent, 10 fraction bits (IEEE 754-2008 binary16)
 *
 * To fp32 is exact, subnormals included. From fp32 rounds to nearest, ties to even; what is too large becomes infinite,
 * and a NaN stays a NaN (made quiet). */
#ifndef BASE_NUMBER_FORMAT_H
#define BASE_NUMBER_FORMAT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline float float_of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint32_t bits_of_float(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float bf16_to_float(uint16_t b)
{
    return float_of_bits((uint32_t)b << 16);
}

static inline uint16_t bf16_of_float(float x)
{
    uint32_t bits = bits_of_float(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline float fp16_to_float(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, magnitude = h & 0x7fff;
    if (magnitude >= 0x7c00) return float_of_bits(sign | 0x7f800000u | (magnitude & 0x3ff) << 13);
    /* The fraction moved into place reads as a value 2^-112 times too small, subnormals included. */
    return float_of_bits(sign | bits_of_float(float_of_bits(magnitude << 13) * 0x1p112f));
}

static inline uint16_t fp16_of_float(float x)
{
    uint32_t bits = bits_of_float(x), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
    if (magnitude >= 0x477ff000u) return (uint16_t)(sign | 0x7c00); /* from 65520 up rounds to infinity */
    if (magnitude < 0x38800000u) /* below 2^-14: adding 0.5 leaves the fp16 subnormal, rounded, in the low bits */
        return (uint16_t)(sign | (bits_of_float(float_of_bits(magnitude) + 0.5f) - 0x3f000000u));
    return (uint16_t)(sign | (magnitude - 0x38000000u + 0xfff + (magnitude >> 13 & 1)) >> 13);
}

#endif
