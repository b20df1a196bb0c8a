/* The part of the weights that a call is about. */
#ifndef ATTENTION_REGION_H
#define ATTENTION_REGION_H

#include "attn/attn.h"

/* Copies *region, or all there is where it is NULL, into *out, and checks that desc has it. Rows are counted within
 * each sequence. */
attn_status region_read(const attn_desc *d, const attn_region *region, attn_region *out);

#endif
