/* The text of an npy header: a Python dictionary of three known keys. */
#ifndef FORMATS_NPY_HEADER_H
#define FORMATS_NPY_HEADER_H

#include "formats/npy.h"

typedef struct npy_header {
    char kind;      /* 'f', 'i', 'u' or 'b' */
    int item_bytes; /* 1, 2, 4 or 8 */
    bool big_endian;
    bool fortran_order;
    int rank;
    int64_t shape[NPY_MOST_RANK];
    int64_t count; /* the product of shape, which with item_bytes fits */
} npy_header;

/* `path` is for messages. */
attn_status npy_header_parse(npy_header *h, const char *path, const char *text, size_t bytes);

#endif
