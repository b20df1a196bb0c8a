/* The caller's functions of scores and of masks: addresses of C functions, which the operator calls itself, or Python
 * functions, which it calls tile by tile, each time with the interpreter's lock. */
#ifndef PYTHON_TILE_FUNCTIONS_H
#define PYTHON_TILE_FUNCTIONS_H

#include "attn/attn.h"
#include "binding.h"

/* One of Python's. */
typedef struct tile_function {
    PyObject *function;   /* borrowed; NULL: none */
    PyObject *derivative; /* of a function of scores; NULL where it was not given */
    PyObject *tile;       /* the type by which a tile is described to it */
} tile_function;

typedef struct tile_functions {
    tile_function score, mask;
    PyObject *like;         /* borrowed; the argument whose library tiles' arrays are of */
    int64_t first_sequence; /* where the descriptor's sequence 0 stands among the caller's */
    bool raised;            /* the first exception of any thread, kept; from then on nothing more is called */
    PyObject *type, *value, *traceback;
} tile_functions;

/* Sets the descriptor's functions from two options, each None, (address, address of the user data), or (function,
 * derivative or None, type of a tile). False with an exception. A zeroed one may be closed. */
bool tile_functions_open(tile_functions *f, attn_desc *d, PyObject *like, PyObject *score, PyObject *mask);
void tile_functions_close(tile_functions *f);

/* ValueError where a backward pass would lack a derivative. */
bool tile_functions_differentiable(const tile_functions *f);

/* Raises what one of the functions raised. False where none did. */
bool tile_functions_raise(tile_functions *f);

#endif
