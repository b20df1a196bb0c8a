/* Python's headers, as every file here takes them: the stable interface of 3.11, where the buffer protocol entered it,
 * so that one build serves every version since. */
#ifndef PYTHON_BINDING_H
#define PYTHON_BINDING_H

#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000
#endif
#include <Python.h>

#include <stdbool.h>
#include <stdint.h>

#endif
