/* Batches of items of about equal length, for work that gains from rectangles without padding. */
#ifndef MODEL_LENGTH_BATCHES_H
#define MODEL_LENGTH_BATCHES_H

#include "attn/attn.h"

/* Batch b holds the items order[start[b] .. start[b + 1]), longest first: long batches first keep workers evenly busy.
 */
typedef struct length_batches {
    int64_t count;
    int64_t *start; /* count + 1 */
    int64_t *order;
} length_batches;

/* lengths of `items`; a batch has at most `most_items` items and `most_cells` cells (items times its longest length),
 * or one item. At least `workers` batches where there are as many items. *out is overwritten, and must be cleared also
 * after a failure. */
attn_status length_batches_create(length_batches *out, const int64_t *lengths, int64_t items, int64_t most_items,
                                  int64_t most_cells, int workers);
void length_batches_clear(length_batches *b);

#endif
