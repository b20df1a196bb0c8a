/* Partial results, over disjoint sets of keys, put together: what attn_merge offers, for callers that have checked. */
#ifndef ATTENTION_MERGE_H
#define ATTENTION_MERGE_H

#include "attn/attn.h"

/* Writes d's o and, where it has data, lse, from `count` parts of d's B, H, T and DV. */
void merge_parts(const attn_desc *d, const attn_part *parts, int64_t count);

#endif
