/* attn_forward on a random call (call.h), its outputs poisoned and guarded. */
#ifndef TESTS_FORWARD_CALL_H
#define TESTS_FORWARD_CALL_H

#include "call.h"

typedef struct forward_results {
    float *o;   /* (B, H, T, DV), contiguous whatever the layout that the call wrote */
    float *lse; /* (B, H, T) */
} forward_results;

/* Runs forward with gaps between the rows of both outputs, in a workspace of exactly the size it asks for. Fails the
 * test, telling the seed, unless it is ATTN_OK, wrote every element and nothing else. */
forward_results forward_call(const attn_desc *desc, uint64_t seed);
void forward_results_free(forward_results *r);

/* Fails the test unless both are the same bits. */
void expect_same_bits(const char *what, uint64_t seed, const float *a, const float *b, int64_t count);

#endif
