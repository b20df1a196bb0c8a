/* Arrays as the operator takes them: rows of a type of its own, the last dimension contiguous. */
#ifndef PYTHON_ARRAY_ROWS_H
#define PYTHON_ARRAY_ROWS_H

#include "array.h"
#include "attn/attn.h"

/* Each sees object as *x, of `rank` dimensions or more, until array_release. False with an exception that names the
 * argument. Rows of elements of one type; of fp32; of fp32, fp16 or bf16; of these or int8, as a cache has them; of
 * fp32, fp16, bf16 or fp64. */
bool elements_borrow(array *x, PyObject *object, const char *name, element_type element, int rank);
bool rows_borrow(array *x, PyObject *object, const char *name, int rank);
bool narrow_rows_borrow(array *x, PyObject *object, const char *name, int rank);
bool cached_rows_borrow(array *x, PyObject *object, const char *name, int rank);
bool float_rows_borrow(array *x, PyObject *object, const char *name, int rank);

/* The operator's name of x's elements. */
attn_dtype dtype_of(const array *x);

/* Strides of the (batch, head, row) of an array (..., H, T, C), or of (..., H, T). */
attn_view array_view(const array *x);
attn_output array_output(const array *x, int inner);

#endif
