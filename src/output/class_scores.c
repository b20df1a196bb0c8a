#include "output/class_scores.h"

#include <math.h>

void class_count_answer(class_count *counts, int64_t expected, int64_t found)
{
    counts[expected].expected++;
    counts[found].found++;
    counts[expected].right += expected == found;
}

/* F1 = 2 TP / (2 TP + FP + FN) of one class; NaN where it never occurs. */
static double f1(const class_count *c)
{
    const int64_t occurs = c->expected + c->found;
    return occurs > 0 ? 2.0 * (double)c->right / (double)occurs : NAN;
}

class_scores class_scores_of(const class_count *counts, int64_t labels)
{
    int64_t right = 0, all = 0, classes = 0;
    double sum = 0;
    for (int64_t i = 0; i < labels; i++) {
        right += counts[i].right;
        all += counts[i].expected;
        double score = f1(&counts[i]);
        if (isnan(score)) continue;
        sum += score;
        classes++;
    }
    if (all == 0) return (class_scores){NAN, NAN};
    return (class_scores){100.0 * (double)right / (double)all, 100.0 * sum / (double)classes};
}
