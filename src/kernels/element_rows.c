/* Rows of 16-bit floats to fp32 and back; kernels.h gives the contract. */
#include "kernels/kernels.h"
#include "kernels/simd.h"

#include <string.h>

extern widen_rows_kernel SIMD_NAMED(widen_rows);
extern narrow_rows_kernel SIMD_NAMED(narrow_rows);

/* type is a constant where these are inlined. */
INLINE vec widened(const attn_dtype type, const uint16_t *from)
{
    return type == ATTN_DTYPE_BF16 ? vec_load_bf16(from) : vec_load_fp16(from);
}

INLINE void narrowed(const attn_dtype type, uint16_t *to, vec x)
{
    if (type == ATTN_DTYPE_BF16)
        vec_store_bf16(to, x);
    else
        vec_store_fp16(to, x);
}

INLINE void widen(const attn_dtype type, const element_rows *rows)
{
    const int64_t whole = rows->columns / SIMD_LANES * SIMD_LANES;
    const size_t rest = (size_t)(rows->columns - whole);
    for (int64_t n = 0; n < rows->count; n++) {
        const uint16_t *from = (const uint16_t *)rows->elements + n * rows->elements_row;
        float *to = rows->floats + n * rows->floats_row;
        for (int64_t c = 0; c < whole; c += SIMD_LANES) vec_store(to + c, widened(type, from + c));
        if (!rest) continue;
        uint16_t some[SIMD_LANES] = {0};
        memcpy(some, from + whole, rest * sizeof *some);
        vec_store_n(to + whole, widened(type, some), (int)rest);
    }
}

INLINE void narrow(const attn_dtype type, const element_rows *rows)
{
    const int64_t whole = rows->columns / SIMD_LANES * SIMD_LANES;
    const int rest = (int)(rows->columns - whole);
    for (int64_t n = 0; n < rows->count; n++) {
        uint16_t *to = (uint16_t *)rows->elements + n * rows->elements_row;
        const float *from = rows->floats + n * rows->floats_row;
        for (int64_t c = 0; c < whole; c += SIMD_LANES) narrowed(type, to + c, vec_load(from + c));
        if (!rest) continue;
        uint16_t some[SIMD_LANES];
        narrowed(type, some, vec_load_n(from + whole, rest));
        memcpy(to + whole, some, (size_t)rest * sizeof *some);
    }
}

void SIMD_NAMED(widen_rows)(const element_rows *rows)
{
    if (rows->type == ATTN_DTYPE_BF16)
        widen(ATTN_DTYPE_BF16, rows);
    else
        widen(ATTN_DTYPE_FP16, rows);
}

void SIMD_NAMED(narrow_rows)(const element_rows *rows)
{
    if (rows->type == ATTN_DTYPE_BF16)
        narrow(ATTN_DTYPE_BF16, rows);
    else
        narrow(ATTN_DTYPE_FP16, rows);
}
