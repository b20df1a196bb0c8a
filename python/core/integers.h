/* Integers, truths and threads among the arguments. */
#ifndef PYTHON_INTEGERS_H
#define PYTHON_INTEGERS_H

#include "array.h"
#include "attn/attn.h"

/* True or False, or a number that is one or the other; a text is none. False with an exception that names it. */
bool truth_read(PyObject *object, const char *name, bool *value);

/* Whether it is one integer, of Python or of NumPy, rather than an array of them. */
bool integer_is(PyObject *object);

/* One integer of 64 bits. False with an exception that names it. */
bool integer_read(PyObject *object, const char *name, int64_t *value);

/* How many integers there are in an array (n) or a sequence. False with an exception. */
bool integers_count(PyObject *object, const char *name, const char *expected, int64_t *count);

/* Integers of an array or a sequence, as many as `count`, of shape (count). False with an exception, by which something
 * else should have been what was expected. */
bool integers_read(PyObject *object, const char *name, const char *expected, int64_t count, int64_t *values);
extern const char *const INTEGER_EACH, *const INTEGER_OR_EACH;

/* threads, None or a number, as an operator takes it. False with an exception. */
bool threads_read(PyObject *threads, attn_parallel *parallel);

#endif
