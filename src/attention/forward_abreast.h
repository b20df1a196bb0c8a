/* Forward of single queries whose heads lie beside each other, as a decoder's layer has them: all heads at once
 * (kernels/forward_heads.c), with the bits that each has alone. */
#ifndef ATTENTION_FORWARD_ABREAST_H
#define ATTENTION_FORWARD_ABREAST_H

#include "attn/attn.h"

#include <stdbool.h>
#include <stddef.h>

/* How many heads go together; 1: each goes alone. */
int64_t forward_heads_abreast(const attn_desc *d);

/* Bytes of a worker's piece, whatever the strides and the data pointers. */
size_t forward_abreast_bytes(const attn_desc *d);

/* So many heads of sequence b from h on. */
void forward_abreast_run(const attn_desc *d, int64_t b, int64_t h, int64_t heads, char *piece);

#endif
