/* What `attn run` computes from files, taken apart: sizes from the arrays' shapes, masks as strides. */
#ifndef CLI_RUN_H
#define CLI_RUN_H

#include "attn/attn.h"
#include "attn/seq.h"

typedef struct run_input {
    const char *path; /* as messages name it */
    attn_seq_array array;
} run_input;

typedef struct run_sizes {
    int rank; /* of Q, K, V and O: 4 for (B, H, T, D), 3 for (H, T, D), 2 for (T, D) */
    int64_t B, H, HK, T, S, D, DV;
} run_sizes;

/* The sizes that Q, K and V agree on. 0, or 1 after telling which file does not fit the others and how. */
int run_sizes_of(const run_input *q, const run_input *k, const run_input *v, run_sizes *sizes);

/* A mask's strides over (B, H, T, S), its shape broadcast as NumPy does. 0, or 1 after telling. */
int run_mask_view(const run_input *mask, const run_sizes *sizes, attn_mask *view);

/* A product of `count` sizes, into *elements; 1 after telling that the array `what` would be too large for memory. */
int run_elements(const char *what, const int64_t *shape, int count, int64_t *elements);

#endif
