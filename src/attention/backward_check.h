/* What backward and double backward are given alike: the first forward's arrays and the gradients of its inputs. */
#ifndef ATTENTION_BACKWARD_CHECK_H
#define ATTENTION_BACKWARD_CHECK_H

#include "attn/attn.h"

/* The names that messages give the gradients of Q, K and V. */
typedef struct backward_names {
    const char *grad_q, *grad_k, *grad_v;
} backward_names;

/* Checks of a descriptor that was read: its inputs, O, the log-sum-exp, dO and whichever gradients are wanted. */
attn_status backward_check(const attn_desc *d, const backward_names *names);

/* Arrays that may have no data. */
attn_status backward_check_given(const char *name, const attn_view *view, attn_dtype type, int64_t batches,
                                 int64_t heads, int64_t rows, int64_t columns);
attn_status backward_check_wanted(const char *name, const attn_output *grad, attn_dtype type, int64_t batches,
                                  int64_t heads, int64_t rows, int64_t columns);

/* Whether nothing remains but backward_zero_sums: no gradient of rows is wanted, which has elements then, nor a sum of
 * what is there. Time must not grow with B or H then, which no array bounds. */
bool backward_is_idle(const attn_desc *d);

/* Writes zeros to d's sums over queries, its gradients of the score vector, sinks and slopes. */
void backward_zero_sums(const attn_desc *d);

#endif
