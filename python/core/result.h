/* New arrays for results, of the library that an argument came from. */
#ifndef PYTHON_RESULT_H
#define PYTHON_RESULT_H

#include "array.h"

typedef struct result {
    PyObject *object; /* the array; or the plain memory of one that its library makes at the end */
    PyObject *like;   /* borrowed; the argument whose library makes it from memory, or NULL */
    array view;
} result;

/* A contiguous array, elements undefined, of like's library: of fp32, or of like's own elements. False with an
 * exception. */
bool result_create(result *r, PyObject *like, element_type element, int rank, const int64_t *shape);

/* Likewise one of fp32 of no library, which exports itself by DLPack. */
bool result_create_memory(result *r, int rank, const int64_t *shape);

/* The caller's own array as a result: `out`. ValueError unless it can be written and has this shape,
 * TypeError unless it has such elements. */
bool result_borrow(result *r, PyObject *object, const char *name, element_type element, int rank, const int64_t *shape);

/* The finished array, a new reference, once it was computed; NULL with an exception. */
PyObject *result_take(result *r);

/* Lets go of one that was not taken. A zeroed result is allowed. */
void result_release(result *r);

/* The type of plain memory, to be created when the module is. */
bool result_register(void);

#endif
