/* How good a classifier's answers are. */
#ifndef OUTPUT_CLASS_SCORES_H
#define OUTPUT_CLASS_SCORES_H

#include "attn/attn.h"

/* 0 to 100; NaN where there is nothing to score. */
typedef struct class_scores {
    double accuracy; /* share of right answers */
    double macro_f1; /* mean over the classes of their F1: rare ones count as much as frequent ones */
} class_scores;

/* confusion[expected * labels + found] counts answers: (labels, labels). A class that is neither expected nor found
 * anywhere has no F1 and is left out of the mean, as in scikit-learn's f1_score(average="macro"). */
class_scores class_scores_of(const int64_t *confusion, int64_t labels);

#endif
