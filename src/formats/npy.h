/* npy, NumPy's file of one array: "\x93NUMPY", version 1.0, 2.0 or 3.0, a header such as
 *
 *     {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
 *
 * and the elements. Floating-point (2, 4, 8 bytes) and integer arrays become fp32 (rounded to nearest where they must
 * be), boolean ones one byte an element, 0 or 1; either byte order; Fortran order is turned into row-major. Nothing in
 * the file is trusted. */
#ifndef FORMATS_NPY_H
#define FORMATS_NPY_H

#include "attn/attn.h"

#define NPY_MOST_RANK 8

typedef struct npy_array {
    int rank;
    int64_t shape[NPY_MOST_RANK];
    int64_t count;
    float *values;  /* NULL when boolean */
    uint8_t *flags; /* NULL when not boolean */
} npy_array;

/* On failure *out is all zero. */
attn_status npy_read(npy_array *out, const char *path);
void npy_clear(npy_array *a);

/* Little-endian fp32, row-major, version 1.0; beside and renamed. */
attn_status npy_write(const char *path, int rank, const int64_t *shape, const float *values);

#endif
