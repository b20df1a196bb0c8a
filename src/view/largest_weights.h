/* The largest weights of a row, where a page cannot hold all of them. */
#ifndef VIEW_LARGEST_WEIGHTS_H
#define VIEW_LARGEST_WEIGHTS_H

#include <stdint.h>

typedef struct placed_weight {
    int64_t column;
    float weight;
} placed_weight;

/* Fills largest (keep) with those of row (columns), keep < columns, in no order; of equal ones the first. What is not
 * above 0 counts as 0. */
void largest_weights(const float *row, int64_t columns, int64_t keep, placed_weight *largest);

#endif
