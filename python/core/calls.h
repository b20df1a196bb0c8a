/* The operator's functions as Python calls them: arguments by position alone, in the order that libattn's own functions
 * pass them on, which give them names, defaults and documentation. */
#ifndef PYTHON_CALLS_H
#define PYTHON_CALLS_H

#include "problem.h"
#include "workspace.h"

/* forward(query, key, value, OPTIONS..., return_lse, return_weights, out) -> array, or a tuple of arrays */
PyObject *call_forward(PyObject *module, PyObject *const *arguments, Py_ssize_t count);

/* backward(grad_out, query, key, value, out, lse, grad_lse or None, OPTIONS..., names of the gradients) -> dict */
PyObject *call_backward(PyObject *module, PyObject *const *arguments, Py_ssize_t count);

/* double_backward(grad_out, query, key, value, out, lse, grad_lse or None, OPTIONS..., by_query, by_key, by_value,
 * by_sinks, by_attn_mask, names of the gradients) -> dict */
PyObject *call_double_backward(PyObject *module, PyObject *const *arguments, Py_ssize_t count);

/* merge(tuple of outs, tuple of lses, threads) -> (out, lse) */
PyObject *call_merge(PyObject *module, PyObject *const *arguments, Py_ssize_t count);

/* append(key cache, value cache, description, key, value, threads) -> None, where the lengths count the new keys; the
 * description as cache_open takes it */
PyObject *call_append(PyObject *module, PyObject *const *arguments, Py_ssize_t count);

/* check_cache(key cache, value cache, description) -> None, or what append and decode would raise for these arrays */
PyObject *call_check_cache(PyObject *module, PyObject *const *arguments, Py_ssize_t count);

/* rotary_tables(P, R, base) -> (cosines, sines), (P, R / 2) each */
PyObject *call_rotary_tables(PyObject *module, PyObject *const *arguments, Py_ssize_t count);

/* rotate(query, OPTIONS..., (cosines, sines, interleaved)) -> array like query, turned to the positions that
 * query_offset says */
PyObject *call_rotate(PyObject *module, PyObject *const *arguments, Py_ssize_t count);

/* weights(query, key, OPTIONS..., lse or None, (sequences, heads, rows)) -> array: the weights, or with the lse the
 * sums of their columns */
PyObject *call_weights(PyObject *module, PyObject *const *arguments, Py_ssize_t count);

/* Whether count is what was expected; TypeError otherwise. */
bool call_counted(Py_ssize_t count, Py_ssize_t expected);

/* Raises what a status of the operator means. Returns true for ATTN_OK, false otherwise. */
bool call_succeeded(attn_status status, const char *message);

/* Likewise for a problem's call, first what one of the caller's functions raised in it. */
bool call_finished(problem *p, attn_status status);

/* ValueError for a backward pass without the forward one's seed: it would drop other weights. */
bool call_seeded(const problem *p, PyObject *seed);

/* One of attn_forward and attn_backward, its workspace asked for and brought. Without the interpreter's lock. */
typedef attn_status workspace_size_function(const attn_desc *desc, size_t *size);
typedef attn_status operator_function(const attn_desc *desc, void *workspace, size_t size);
attn_status call_operator(const attn_desc *desc, workspace_size_function *workspace_size, operator_function *run);

#endif
