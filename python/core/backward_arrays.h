/* The arrays that backward and double backward take and give alike: what the forward pass gave, and the gradients that
 * are wanted. */
#ifndef PYTHON_BACKWARD_ARRAYS_H
#define PYTHON_BACKWARD_ARRAYS_H

#include "problem.h"

typedef struct forward_arrays {
    array grad_out, out, lse, grad_lse;
    bool has_grad_lse;
} forward_arrays;

/* Borrows them, grad_lse unless it is None, and tells the descriptor how they lie. False with an exception. */
bool forward_arrays_borrow(forward_arrays *a, problem *p, PyObject *grad_out, PyObject *out, PyObject *lse,
                           PyObject *grad_lse);

/* Points the descriptor at the n-th call's part of them. */
void forward_arrays_select(const forward_arrays *a, problem *p, int64_t call);
void forward_arrays_release(forward_arrays *a);

/* A gradient's name, and what it has entries for: rows, as the problem's own arrays; elements of the mask; or heads,
 * each summed over the batch. */
typedef struct gradient_kind {
    const char *name;
    enum { OF_ROWS, OF_MASK, OF_HEADS } of;
} gradient_kind;

#define MOST_GRADIENTS 7

typedef struct gradients {
    const gradient_kind *kinds;
    int count;
    bool wanted[MOST_GRADIENTS];
    result results[MOST_GRADIENTS];
    array mask_steps; /* the mask's gradient with the strides by which the operator writes it */
} gradients;

/* Which are wanted, by their names: None is all that are offered. Refuses what no single call would sum. False with an
 * exception. */
bool gradients_choose(gradients *g, const problem *p, PyObject *chosen, const bool *offered);

/* The wanted ones' arrays, each like its input, whose place in `inputs` the mask leaves unread. False with an
 * exception. */
bool gradients_create(gradients *g, const problem *p, PyObject *like, const array *const *inputs);

/* The finished ones by their names; NULL with an exception. */
PyObject *gradients_take(gradients *g);
void gradients_release(gradients *g);

/* An array in the mask's own shape, by the strides that broadcast it, which it is given. */
attn_mask_output mask_broadcast(const problem *p, array *x);

#endif
