/* Which of a step's rows are worth their logits: a hypothesis that is less probable than a beam full of continuations
 * already found has none that could live on or end, for no continuation is more probable than what it continues. */
#ifndef OUTPUT_WORTHWHILE_ROWS_H
#define OUTPUT_WORTHWHILE_ROWS_H

#include "output/top_candidates.h"

typedef struct step_rows {
    int64_t count;
    const int64_t *sequence_of;      /* (count) neighbours belong together */
    const double *log_probabilities; /* (count) of what each row has so far */
    const candidate *candidates;     /* (count, width) */
    const int64_t *candidate_counts; /* (count) 0: not asked for so far, or not worth it */
    int64_t width, beam;
    int32_t eos_id;
} step_rows;

/* order (count): the same rows, those of each sequence with the most probable first, equal ones as they stand. */
void most_probable_first(const step_rows *s, int64_t *order);

/* The rows that stand at `first` .. first + share - 1 of their sequences' order and are worth their logits, given the
 * candidates of those before them, into chosen (count), in the sequences' order. Returns how many. What is left out
 * once is left out for all later `first`. */
int64_t worthwhile_rows(const step_rows *s, const int64_t *order, int64_t first, int64_t share, int64_t *chosen);

#endif
