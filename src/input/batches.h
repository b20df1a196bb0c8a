/* Batches: pairs of about equal length together, as many as fit a number of tokens, padded into rectangles. */
#ifndef INPUT_BATCHES_H
#define INPUT_BATCHES_H

#include "attn/attn.h"
#include "input/pairs.h"

/* One epoch: batch b holds the pairs order[start[b] .. start[b + 1]). */
typedef struct batch_plan {
    int64_t count;
    int64_t *start;
    int64_t *order;
} batch_plan;

/* Sorts the pairs by length, equal lengths at random, cuts them so that a batch's rectangles hold at most `tokens`
 * source and target tokens with padding (or a single pair), and shuffles the batches. A pure function of its arguments:
 * `key` is the epoch's. *out is overwritten, and must be cleared by the caller also after a failure. */
attn_status batch_plan_create(batch_plan *out, const token_pairs *pairs, int64_t tokens, uint64_t key);
void batch_plan_clear(batch_plan *p);

/* B rows: source (B, S), decoder_input and expected (B, T). */
typedef struct batch {
    int64_t count, source_length, target_length;
    int32_t *source;         /* padded with pad_id */
    int64_t *source_lengths; /* B */
    int32_t *decoder_input;  /* start_id, then the target without its </s>, padded with pad_id */
    int32_t *expected;       /* the target, padded with -1 */
    int64_t tokens;          /* source and target tokens without padding */
    void *memory;            /* holds the four arrays; the next filling uses it again */
    size_t capacity;
} batch;

/* Fills *b, zeroed before its first use, with plan's batch `index`. */
attn_status batch_fill(batch *b, const batch_plan *plan, int64_t index, const token_pairs *pairs, int32_t pad_id,
                       int32_t start_id);
/* The same of all pairs, in their order. */
attn_status batch_fill_all(batch *b, const token_pairs *pairs, int32_t pad_id, int32_t start_id);
void batch_clear(batch *b);

#endif
