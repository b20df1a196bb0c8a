/* Partial results, over disjoint sets of keys, put together: what attn_merge offers, for callers that have checked. */
#ifndef ATTENTION_MERGE_H
#define ATTENTION_MERGE_H

#include "attn/attn.h"

/* Writes d's o and, where it has data, lse, from `count` parts of d's B, H, T and DV. sums NULL: they tell their
 * log-sum-exps. Else parts[n].lse are largest scores, or any other numbers x near them, and sums[n], laid out likewise,
 * sum exp(score - x), where it is 0 o is not looked at: far out fp32 has no room for the logarithm of a sum beside a
 * score, and these keep what each part counts. */
void merge_parts(const attn_desc *d, const attn_part *parts, const attn_view *sums, int64_t count);

#endif
