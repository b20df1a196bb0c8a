/* IDX, the format of MNIST: 0 0 type rank, the dimensions as big-endian 32-bit numbers, the elements; plain or gzip.
 * Elements are unsigned bytes (type 8), as images and their labels are. Nothing in the file is trusted. */
#ifndef FORMATS_IDX_H
#define FORMATS_IDX_H

#include "attn/attn.h"

#define IDX_MOST_RANK 4

/* Elements of one file. */
#define IDX_MOST_ELEMENTS ((int64_t)1 << 32)

typedef struct idx_array {
    int rank;
    int64_t shape[IDX_MOST_RANK];
    int64_t count;
    uint8_t *values;
} idx_array;

/* On failure *out is all zero. */
attn_status idx_read(idx_array *out, const char *path);

/* The same of an array that must be images: (count, height, width), no side 0. */
attn_status idx_read_images(idx_array *out, const char *path);

/* Frees and zeroes. */
void idx_clear(idx_array *a);

#endif
