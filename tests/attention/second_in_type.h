/* Double backward on bf16 and fp16: fp32's arithmetic on the same numbers, gradients rounded once. */
#ifndef TESTS_SECOND_IN_TYPE_H
#define TESTS_SECOND_IN_TYPE_H

#include "second_call.h"

/* s's call in its options' type, on the same numbers. O is rounded to the type, in s too. */
typedef struct second_in_type {
    second_call *s;
    attn_desc d;
    attn_second_order second;
    void *owned[8];
    int owned_count;
    uint16_t *outputs[4]; /* grad_q, grad_k, grad_v and grad_grad_o, laid out as s's */
} second_in_type;

second_in_type second_in_type_create(second_call *s);
void second_in_type_destroy(second_in_type *x);

/* Poisons the outputs and runs; gradients that stay fp32, as the bias's, go where s's go. */
void second_in_type_run(second_in_type *x);

/* Runs s, then x. Fails the test unless x has the bits of s, rounded in grad_q, grad_k, grad_v and grad_grad_o, and
 * wrote nothing else. */
void second_in_type_check(second_in_type *x);

/* The same of a call that nobody has made yet. */
void second_in_type_check_call(const call_options *options, uint64_t seed);

#endif
