/* How good a classifier's answers are. */
#ifndef OUTPUT_CLASS_SCORES_H
#define OUTPUT_CLASS_SCORES_H

#include "attn/attn.h"

/* Of one class: how often it was expected, how often found, how often both. */
typedef struct class_count {
    int64_t expected, found, right;
} class_count;

/* 0 to 100; NaN where there is nothing to score. */
typedef struct class_scores {
    double accuracy; /* share of right answers */
    double macro_f1; /* mean over the classes of their F1: rare ones count as much as frequent ones */
} class_scores;

/* counts (labels), zeroed before the first answer. */
void class_count_answer(class_count *counts, int64_t expected, int64_t found);

/* Linear in the labels, of which there may be tens of thousands. A class that is neither expected nor found anywhere
 * has no F1 and is left out of the mean, as in scikit-learn's f1_score(average="macro"). */
class_scores class_scores_of(const class_count *counts, int64_t labels);

#endif
