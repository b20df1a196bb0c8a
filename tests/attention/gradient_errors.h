/* How far rounding may take a bf16 call's gradients where the CPU multiplies bf16 itself. */
#ifndef TESTS_GRADIENT_ERRORS_H
#define TESTS_GRADIENT_ERRORS_H

#include "narrow_twin.h"

/* After call_backward(t->c) and narrow_backward(&t->d): fails the test, telling the seed, unless the gradients of Q, K
 * and V are as near to fp32's as weights and scores' gradients rounded to bf16, and then they, can leave them at worst.
 */
void gradient_errors_in_type(const narrow_twin *t);

/* The same of a bias's, sinks' and slopes', which are of weights and scores' gradients before these are rounded to
 * bf16: as near to the fp64 ones of the same numbers, O and log-sum-exp among them, as rounding each of the formulas'
 * operations to fp32 can leave them at worst, a bias's for each pair; whose sum, in order, a bias's gradient must be to
 * the bit. Runs backward once more for these. */
void gradient_errors_in_fp32(narrow_twin *t);

#endif
