/* What forward is off by, measured against fp64 and against what anyone would write in fp32. */
#ifndef TESTS_FORWARD_ERRORS_H
#define TESTS_FORWARD_ERRORS_H

#include "forward_call.h"

/* Of forward and of the plain way, summed over calls. */
typedef struct forward_errors {
    double ours, plain;           /* squares */
    double ours_most, plain_most; /* the largest of the last call */
} forward_errors;

/* Adds a call's to e. Fails the test, telling the seed, unless o and the log-sum-exp are within some units of rounding
 * of the fp64 ones. */
void forward_check(const call *c, const forward_results *r, forward_errors *e);

#endif
