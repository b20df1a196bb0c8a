/* Products of two matrices by oneDNN. onednn_product.c is the only file that calls it (versions 2.6 and 3.x; what
 * differs is in onednn_seam.h). dense.h says what a product is, and is what others use. */
#ifndef TENSOR_ONEDNN_PRODUCT_H
#define TENSOR_ONEDNN_PRODUCT_H

#include "tensor/dense.h"

/* How the second factor comes: in rows, packed by the caller, or in rows to be packed at each run. */
typedef enum factor_form { IN_ROWS, PACKED, TO_BE_PACKED } factor_form;

/* What a product is compiled for. Zeroed before it is filled: keys are compared by their bytes. */
typedef struct product_key {
    int64_t M, N, K;
    int32_t threads;
    uint8_t type, transpose_a, transpose_b, b_form, bias, accumulate;
    uint8_t narrow_c; /* the result is rounded to bf16 */
    uint8_t none[5];  /* 0: keys are compared as bytes, of which padding might be any */
} product_key;

/* A product compiled for its key. Runs on any thread, on several at a time. */
typedef struct product product;

/* packed: the second factor where it comes packed, else NULL. */
attn_status product_compile(product **out, const product_key *key, const dense_packed *packed);
void product_destroy(product *p); /* NULL is ignored */

/* c (M, N) = a (M, K) b (K, N), each as the key says. */
attn_status product_run(const product *p, const void *a, const void *b, const float *bias, void *c);

/* What weights that are laid out once hold. */
struct dense_packed {
    int64_t N, K;
    dense_type type;
    struct factor_layout *layout; /* oneDNN's */
    void *values;
};

/* Lays the weights out, which are of the type: (K, N), or (N, K) if transposed. b: N, K and type say what is wanted,
 * the rest is zero; cleared by the caller also after a failure. */
attn_status packed_fill(dense_packed *b, const void *values, bool transposed);
void packed_clear(dense_packed *b);

bool onednn_multiplies_bf16(void);

/* "oneDNN 2.6.3", cut to `size` bytes with its NUL. */
void onednn_version(char *text, size_t size);

#endif
