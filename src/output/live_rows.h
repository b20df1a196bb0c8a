/* The hypotheses of a search that are still growing. */
#ifndef OUTPUT_LIVE_ROWS_H
#define OUTPUT_LIVE_ROWS_H

#include <stdbool.h>
#include <stdint.h>

/* Those of one step: the last id of each, the row that it continues, its sequence, its last node and what it has
 * gathered. */
typedef struct live_rows {
    int64_t count;
    int32_t *ids;
    int64_t *from, *sequence_of, *nodes;
    double *log_probabilities;
} live_rows;

/* Room for `most` rows; to be cleared also after a failure. */
bool live_rows_create(live_rows *r, int64_t most);
void live_rows_clear(live_rows *r);

/* Puts, where it can, the i-th of a sequence's rows, which are those from `first` on, behind the sequence's i-th row of
 * the step before, which begin at `begin`: what continues itself need not be copied in the model's cache. */
void live_rows_settle(live_rows *r, int64_t begin, int64_t first);

#endif
