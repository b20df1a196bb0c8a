/* attn_forward and attn_decode on a random call (call.h), their outputs poisoned and guarded. */
#ifndef TESTS_FORWARD_CALL_H
#define TESTS_FORWARD_CALL_H

#include "call.h"

typedef struct forward_results {
    float *o;   /* (B, H, T, DV), contiguous whatever the layout that the call wrote, made fp32 */
    float *lse; /* (B, H, T) */
} forward_results;

/* Runs forward with gaps between the rows of both outputs, in a workspace of exactly the size it asks for. Fails the
 * test, telling the seed, unless it is ATTN_OK, wrote every element and nothing else. */
forward_results forward_call(const attn_desc *desc, uint64_t seed);

/* The same of attn_decode; of attn_forward where cache is NULL. */
forward_results decode_call(const attn_desc *desc, const attn_cache *cache, uint64_t seed);
void forward_results_free(forward_results *r);

/* Fails the test unless both are the same bits. */
void expect_same_bits(const char *what, uint64_t seed, const float *a, const float *b, int64_t count);

#endif
