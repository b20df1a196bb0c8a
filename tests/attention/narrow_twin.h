/* A random call of the operator and the same call in bf16 or fp16. */
#ifndef TESTS_NARROW_TWIN_H
#define TESTS_NARROW_TWIN_H

#include "call.h"

#include "base/number_format.h"

#define POISON 0x7fadu /* a NaN that no operation makes */
#define NARROW 3       /* grad_q, grad_k and grad_v are of the call's type */

static inline attn_dtype narrow_type_of(uint64_t seed)
{
    return seed % 2 ? ATTN_DTYPE_BF16 : ATTN_DTYPE_FP16;
}

static inline uint16_t narrow_of(attn_dtype type, float x)
{
    return type == ATTN_DTYPE_BF16 ? bf16_of_float(x) : fp16_of_float(x);
}

static inline float float_of(attn_dtype type, uint16_t x)
{
    return type == ATTN_DTYPE_BF16 ? bf16_to_float(x) : fp16_to_float(x);
}

/* A call and the same one in its type, whose outputs are laid out likewise. */
typedef struct narrow_twin {
    call *c;
    attn_desc d;
    uint16_t *o, *gradients[NARROW];
} narrow_twin;

narrow_twin narrow_twin_create(const call_options *options, uint64_t seed);
void narrow_twin_destroy(narrow_twin *t);

/* attn_backward, which must succeed within its workspace. */
void narrow_backward(const attn_desc *d, uint64_t seed);

#endif
