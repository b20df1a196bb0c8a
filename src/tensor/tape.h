/* The tape: runs operations forward, remembers them, and runs them backward.
 *
 * Every operation lives in a file of its own with its backward pass beside it, takes the tape first and returns its
 * result, which the tape's arena owns until the next tape_begin. A failure (no memory, an operator's status) is kept
 * in the tape: later operations return at once with a tensor of zero size, and the caller asks tape_status once at the
 * end.
 *
 * A tape in TAPE_INFER mode records nothing, gives no tensor a gradient and makes dropout the identity: the same code
 * trains and runs a model. */
#ifndef TENSOR_TAPE_H
#define TENSOR_TAPE_H

#include "attn/attn.h"
#include "base/arena.h"
#include "tensor/dense.h"
#include "tensor/tensor.h"

typedef enum tape_mode { TAPE_INFER, TAPE_TRAIN } tape_mode;

typedef struct tape tape;

/* threads: workers for every operation on this tape, 0 for parallel_default_threads(). */
attn_status tape_create(tape **out, tape_mode mode, int threads);
void tape_destroy(tape *t);

/* The type of the products of the linear layers and, when training, of attention's; DENSE_FP32 on a new tape.
 * Everything else stays fp32. */
attn_status tape_set_products(tape *t, dense_type type);

/* Starts a new step: forgets all operations and gives their memory back. `key` seeds this step's dropout. */
void tape_begin(tape *t, uint64_t key);

/* Sets loss->grad to 1 and runs every recorded operation backward, last first. Gradients are added to what is there:
 * see parameters_begin_gradients. */
attn_status tape_backward(tape *t, tensor *loss);

/* When inferring, gives back the memory of all that was made since `place` (of tape_arena) but x, which moves: what the
 * steps of a deep network need together then stays in the caches, whatever its depth. When training, x as it is. */
tensor *tape_keep(tape *t, arena_place place, tensor *x);

/* The first failure since tape_begin, ATTN_OK if none. */
attn_status tape_status(const tape *t);

/* ---- for the authors of operations ------------------------------------------------------------------------- */

typedef void (*tape_backward_function)(tape *t, void *operation);

tape_mode tape_get_mode(const tape *t);
int tape_threads(const tape *t);
dense_type tape_products(const tape *t);

/* Whether it trains in bf16, so that what only products take may be narrow. */
bool tape_narrows(const tape *t);

arena *tape_arena(tape *t);

/* w (O, I), which does not change in this step, as second factor of x w^T (transposed) or dy w, packed: once for all
 * where the tensor has it so, else for the step. NULL where it is to be taken as it is: when inferring, once the tape
 * has failed, and the first time in a step. */
const dense_packed *tape_packed(tape *t, const tensor *w, bool transposed);

/* `count` elements of `size` bytes that live as long as the step, contents undefined. NULL once the tape has failed. */
void *tape_take(tape *t, int64_t count, size_t size);

/* A result of this shape, values undefined, traced when the tape trains. NULL once the tape has failed. */
tensor *tape_result(tape *t, int rank, const int64_t *shape);

/* The same of a narrow one. */
tensor *tape_narrow_result(tape *t, int rank, const int64_t *shape);

/* x's values in bf16, made once a step where x is a result. NULL once the tape has failed. */
const uint16_t *tape_narrow_values(tape *t, tensor *x);

/* Where the one user of a narrow x puts its gradient, all of it. NULL: x wants none, or the tape has failed. */
uint16_t *tape_narrow_gradient(tape *t, tensor *x);

/* What an operation returns on a failed tape: a tensor of zero size. */
tensor *tape_nothing(tape *t);

/* Records an operation on a training tape: its state is `bytes` of zeroed arena memory. NULL when inferring or failed.
 */
void *tape_record(tape *t, size_t bytes, tape_backward_function backward);

/* Where a backward function puts its contribution to x's gradient, tensor_count(x) floats: written (*add false, the
 * first one) or added to what is there (*add true). NULL: x wants none, or the tape has failed. A backward function
 * that finds its own result's grad NULL has nothing to do: nobody used the result. */
float *tape_gradient(tape *t, tensor *x, bool *add);

/* Adds `values`, as many as x has elements, to x's gradient; nothing where x wants none. */
void tape_add_gradient(tape *t, const float *values, tensor *x);

/* The same when the contribution is `from`'s whole gradient, which no one needs afterwards: hands its memory over where
 * it can, adds it otherwise. */
void tape_pass_gradient(tape *t, tensor *from, tensor *to);

/* A fresh key for an operation's random numbers: the step's key and the operation's ordinal. */
uint64_t tape_key(tape *t);

/* Keeps the first failure. */
void tape_fail(tape *t, attn_status status);

#endif
