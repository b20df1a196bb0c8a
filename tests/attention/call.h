/* A random call of attn_backward: sizes, options and layouts drawn from a seed, guards around every row of every
 * output and around the workspace. */
#ifndef TESTS_CALL_H
#define TESTS_CALL_H

#include "attn/attn.h"
#include "dense_reference.h"

#define CALL_SEQUENCES 8
#define GUARD 64 /* elements around an output */

typedef struct call_options {
    int64_t B, H, HK, T, S, D, DV;
    float sigma; /* of Q, K, V, dO and the bias */
    bool causal, windowed, lengths, offsets, mask, bias, broadcast, additive, alibi, sinks, by_lse, blocks,
        score_function, mask_function;
    bool shared_rows; /* Q, K, V and dO may be reversed, or the same for all sequences or heads */
    float softcap, dropout;
    int threads;
    attn_dtype type; /* Q, K, V and dO hold numbers of this type, in fp32: call_in_type */
} call_options;

/* grad_q, grad_k, grad_v, grad_score_vector, grad_sinks and grad_alibi_slopes; the buffers of the last three are NULL
 * without their options */
#define CALL_OUTPUTS 6

typedef struct call_output {
    const char *name;
    float *buffer; /* of `size` floats; the view's element 0 is GUARD floats in */
    size_t size;
    int64_t batches, heads, rows, columns;
    attn_output view;
} call_output;

typedef struct call {
    call_options options;
    uint64_t seed;
    attn_desc desc;
    dense reference;
    call_output outputs[CALL_OUTPUTS];
    float *grad_bias; /* of grad_bias_size floats with GUARD around them */
    size_t grad_bias_size;
    int64_t lengths[CALL_SEQUENCES], offsets[CALL_SEQUENCES];
    uint64_t keys[CALL_SEQUENCES];
    void *owned[32];
    int owned_count;
} call;

/* Small odd sizes, any combination of options. */
call_options call_random_options(uint64_t seed);

/* Inputs drawn from the seed; o and lse as fp64 gives them, rounded. */
call *call_create(const call_options *options, uint64_t seed);
void call_destroy(call *c);

/* The same call on arrays of its options' type, bf16 or fp16, which hold the same numbers; O and the gradients NULL. */
attn_desc call_in_type(call *c);

/* x rounded to the type, in fp32. */
float round_to_type(attn_dtype type, float x);

/* Poisons the outputs and runs attn_backward in a guarded workspace of the size it asks for. Fails the test, telling
 * the seed, unless it is ATTN_OK and wrote every row and nothing else. */
void call_backward(call *c);

/* Fails the test, telling seed, name and place, unless each gradient is within `tolerance` times the largest one of
 * its array (at least `tolerance` times `least`) of the fp64 one; of a slope, whose terms cancel, times their sizes. */
void call_check(call *c, double tolerance, double least);

#endif
