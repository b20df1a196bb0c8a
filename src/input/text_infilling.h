/* Text with spans of pieces masked, and the text itself: what BART learns to restore before it learns anything else
 * (Lewis et al. 2020, section 2.2). It teaches the decoder to write, and to find in the source what it writes. */
#ifndef INPUT_TEXT_INFILLING_H
#define INPUT_TEXT_INFILLING_H

#include "input/pairs.h"

/* Longer texts give a window of this many pieces, somewhere in them. */
#define TEXT_INFILLING_WINDOW 64

/* Pair i: of text chosen[i], which begins with `before` special tokens and ends with one, a window with about a quarter
 * of its pieces masked, and the window whole, each with the special tokens around it. Masked spans have a length drawn
 * from Poisson's distribution with mean 3, and a single mask_id in their place. A pure function of its arguments. *out
 * is overwritten, and must be cleared by the caller also after a failure. */
attn_status text_infilling_make(token_pairs *out, const token_side *texts, const int64_t *chosen, int64_t count,
                                int64_t before, int32_t mask_id, uint64_t key);

#endif
