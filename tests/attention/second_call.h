/* A random call of attn_double_backward on top of call.h's: what it is given, and its outputs between guards. */
#ifndef TESTS_SECOND_CALL_H
#define TESTS_SECOND_CALL_H

#include "call.h"
#include "dense_second.h"

#define SECOND_OUTPUTS 6

typedef struct second_call {
    call *c;
    uint64_t seed;
    attn_second_order second;
    float *given[5];
    float *buffers[SECOND_OUTPUTS]; /* of `sizes` floats, guards included */
    size_t sizes[SECOND_OUTPUTS];
    float *grad_bias; /* of grad_bias_size floats with guards around them; NULL without a bias */
    size_t grad_bias_size;
    int64_t heads[SECOND_OUTPUTS], rows[SECOND_OUTPUTS], columns[SECOND_OUTPUTS];
} second_call;

/* What call_random_options gives without what double backward refuses. */
call_options second_call_options(uint64_t seed);

/* `all`: everything is given; else some of it is NULL, as the seed says. */
second_call *second_call_create(const call_options *options, uint64_t seed, bool all);
void second_call_destroy(second_call *s);

/* Poisons the outputs and runs. Fails the test unless it is ATTN_OK, and wrote every row and nothing else. */
void second_call_run(second_call *s);

/* Fails the test unless each result is within `tolerance` times the largest one of its array, or `least`, of fp64's. */
void second_call_check(second_call *s, double tolerance, double least);

#endif
